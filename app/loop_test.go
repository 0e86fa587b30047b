package app

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"featurestore/config"
)

const loopDefinitions = `
entity_types: [{name: customer, join_keys: [{name: customer_id, value_type: STRING}]}]
groups:
  - {name: purchases, entity_type: customer, kind: events, owner: shop, features: [{name: quantity, value_type: INTEGER}, {name: amount, value_type: FLOAT}]}
receivers:
  - {name: shop_hook, kind: webhook, url_file: shop_hook, owners: [shop]}
`

// loopRules are written by hand, beside those that are proposed. Of duplicates twice the share is tolerated that there really is.
const loopRules = `
baselines:
  - {name: usual, group: purchases, source: {window: {from: "%s", to: "%s"}}}
rules:
  - {name: amount_given, group: purchases, kind: not_null, features: [amount], action: quarantine}
  - {name: amount_not_negative, group: purchases, kind: range, features: [amount], params: {min: 0}, action: quarantine}
  - {name: no_purchase_twice, group: purchases, kind: unique_together, features: [quantity, amount], params: {among: observation}, window: load, tolerance: {max_bad_rate: %g}}
  - {name: as_usual, group: purchases, kind: distribution, features: [quantity, amount], params: {baseline: usual}}
  - {name: up_to_date, group: purchases, kind: freshness, params: {max_age: 10d}}
`

// The whole loop on real purchases, moved so that their last month ended yesterday: load, profile, propose, apply; a clean month raises nothing; the same
// month with planted faults is found to hold exactly these, each told once; mended, each is resolved once.
func TestTheWholeLoop(t *testing.T) {
	on(t, func(t *testing.T, c *config.Config) {
		hook := receive(t, c, "shop_hook")
		c.Validation.Every = 0 // nothing is evaluated that the test does not ask for
		a := start(t, c)
		l := &loop{caller: caller{t, "http://" + a.Addresses()[0]}, hook: hook}
		before, month := purchasesOf("1997-07", "1998-02", "1998-03")
		l.learn(before)
		l.control(month)

		silence := l.call(201, "POST", "/silences", `{"matcher": {"rule": "purchases_amount_range"}, "until": "4h", "author": "test", "reason": "it is looked into"}`)
		require.Empty(t, silence["covers"])
		first, late := month.split(14)
		first.plant()
		late.plant()
		run := l.faulty(first)
		l.told("firing amount_given:amount", "firing amount_not_negative:amount", "firing purchases_amount_not_null:amount", "firing no_purchase_twice:", "firing up_to_date:")
		alerts := l.open()
		require.Equal(t, "silenced", alerts["purchases_amount_range:amount"]["state"])
		require.Equal(t, alerts["up_to_date:"]["id"], alerts["as_usual:amount"]["muted_by"], "what drifts is not told while the source is late")
		require.Len(t, alerts, 7)
		l.quarantined(run, first)

		again := l.call(200, "POST", "/validate", `{"group": "purchases"}`)
		require.Equal(t, "fail", again["status"])
		require.Equal(t, ids(alerts), ids(l.open()), "another evaluation opens and ends none")
		l.call(200, "DELETE", fmt.Sprintf("/silences/%v", silence["id"]), "")
		l.told("firing purchases_amount_range:amount")

		second := l.faulty(late) // the source works again, and what drifts is told
		l.told("resolved up_to_date:", "firing as_usual:amount")
		still := l.open()
		require.Len(t, still, 6)
		delete(alerts, "up_to_date:")
		require.Equal(t, ids(alerts), ids(still))

		for _, load := range []any{run, second} {
			l.settled(l.call(202, "POST", fmt.Sprintf("/runs/%v/revert", load), "")["id"])
		}
		require.Empty(t, l.call(200, "GET", "/quarantine?state=all", "")["rows"], "they go with what brought them")
		l.clean(month)
		l.told("resolved amount_given:amount", "resolved amount_not_negative:amount", "resolved purchases_amount_not_null:amount",
			"resolved purchases_amount_range:amount", "resolved no_purchase_twice:", "resolved as_usual:amount")
		require.Empty(t, l.open())
		require.Equal(t, "pass", l.call(200, "POST", "/validate", `{"group": "purchases"}`)["status"])
		l.nothingElseWasTold()
	})
}

// loop is a test of the whole program.
type loop struct {
	caller
	hook  *hook
	heard []string // what the receiver was told, in the order of the test
}

// learn loads what is known to be good and makes rules of it.
func (l *loop) learn(before table) {
	l.call(200, "POST", "/apply", loopDefinitions, "Content-Type: application/yaml")
	l.load(before)
	from, to := before[0].at, before[len(before)-1].at.AddDate(0, 0, 1)
	profile := l.call(200, "POST", "/profiles", `{"group": "purchases"}`)
	require.EqualValues(l.t, len(before), profile["rows"])

	proposed := l.call(200, "POST", "/rules/propose", fmt.Sprintf(`{"group": "purchases", "profiles": [%v], "apply": true}`, profile["id"]))
	var names []string
	for _, rule := range proposed["rules"].([]any) {
		names = append(names, rule.(map[string]any)["name"].(string))
	}
	require.Equal(l.t, []string{"purchases_quantity_not_null", "purchases_quantity_range", "purchases_amount_not_null", "purchases_amount_range"}, names)
	require.Len(l.t, proposed["plan"].(map[string]any)["created"], len(names))

	rate := l.call(200, "POST", "/validate?dry_run=true", `{"group": "purchases", "rules": [
		{"name": "twice", "kind": "unique_together", "features": ["quantity", "amount"], "params": {"among": "observation"}}]}`)["results"].([]any)[0].(map[string]any)
	require.EqualValues(l.t, before.twice(), rate["bad"])
	require.Positive(l.t, rate["bad"], "there are real ones")
	l.call(200, "POST", "/apply", fmt.Sprintf(loopRules, from.Format(time.RFC3339), to.Format(time.RFC3339), 2*rate["bad_rate"].(float64)), "Content-Type: application/yaml")
	l.call(201, "POST", "/baselines/usual/freeze", "")
}

// control loads the month as it was, sees that nothing is found, and takes it back.
func (l *loop) control(month table) {
	run := l.clean(month)
	report := l.call(200, "POST", "/validate", `{"group": "purchases"}`)
	require.Len(l.t, report["results"], 10)
	for _, r := range report["results"].([]any) {
		require.Equal(l.t, "pass", r.(map[string]any)["status"], "%v", r)
	}
	require.Empty(l.t, l.call(200, "GET", "/alerts", "")["alerts"])
	l.settled(l.call(202, "POST", fmt.Sprintf("/runs/%v/revert", run), "")["id"])
}

// load loads a table and waits until it is judged.
func (l *loop) load(rows table) map[string]any {
	l.t.Helper()
	answer := l.call(200, "POST", "/rows/purchases", rows.csv(), "Content-Type: text/csv")
	l.settled(answer["validation_run_id"])
	return answer
}

// clean loads a table in which every rule holds.
func (l *loop) clean(rows table) (run any) {
	l.t.Helper()
	answer := l.load(rows)
	require.EqualValues(l.t, len(rows), answer["stored"])
	for key, r := range l.results(answer["run_id"]) {
		require.Equal(l.t, "pass", r["status"], "%s: %v", key, r)
	}
	return answer["run_id"]
}

// faulty loads a table with planted faults, and sees that each rule counts what was planted and what there is besides.
func (l *loop) faulty(rows table) (run any) {
	l.t.Helper()
	answer := l.load(rows)
	null, negative := rows.count(purchase.null), rows.count(purchase.negative)
	stored := slices.DeleteFunc(slices.Clone(rows), purchase.barred)
	require.Positive(l.t, null*negative)
	for member, n := range map[string]int{"received": len(rows), "stored": len(stored), "quarantined": null + negative, "duplicate": 0, "rejected": 0, "erased": 0} {
		require.EqualValues(l.t, n, answer[member], "%s: %v", member, answer)
	}
	results := l.results(answer["run_id"])
	require.Len(l.t, results, 10)
	status := func(when bool, otherwise string) string {
		if when {
			return otherwise
		}
		return "pass"
	}
	old := time.Since(rows.newest()) > 10*24*time.Hour
	for key, want := range map[string]struct {
		status string
		bad    int
	}{
		"purchases_quantity_not_null:quantity": {"pass", 0}, "purchases_quantity_range:quantity": {"pass", 0}, "as_usual:quantity": {"pass", 0},
		"purchases_amount_not_null:amount": {"warn", null}, "purchases_amount_range:amount": {"warn", negative},
		"amount_given:amount": {"fail", null}, "amount_not_negative:amount": {"fail", negative},
		"no_purchase_twice:": {"fail", stored.twice()}, "as_usual:amount": {"fail", 0}, "up_to_date:": {status(old, "fail"), 0},
	} {
		require.Contains(l.t, results, key)
		require.Equal(l.t, want.status, results[key]["status"], "%s: %v", key, results[key])
		require.EqualValues(l.t, want.bad, results[key]["bad"], "%s: %v", key, results[key])
	}
	return answer["run_id"]
}

// quarantined looks at what a load brought into quarantine: mends a row and stores it, gives one up, and sees that all are accounted for.
func (l *loop) quarantined(run any, rows table) {
	wanted := map[string]string{} // what each row breaks, by its number
	for i, p := range rows {
		switch {
		case p.null():
			wanted[fmt.Sprint(i+1)] = "amount_given"
		case p.negative():
			wanted[fmt.Sprint(i+1)] = "amount_not_negative"
		}
	}
	list := func(state string) (all []map[string]any) {
		for _, e := range l.call(200, "GET", fmt.Sprintf("/quarantine?group=purchases&run_id=%v&state=%s&limit=1000", run, state), "")["rows"].([]any) {
			all = append(all, e.(map[string]any))
		}
		return all
	}
	waiting := list("waiting")
	found := map[string]string{}
	for _, e := range waiting {
		broken := e["broken"].([]any)
		require.Len(l.t, broken, 1, "what only warns is no reason to wait: %v", e)
		found[fmt.Sprint(e["source"].(map[string]any)["row"])] = broken[0].(map[string]any)["rule"].(string)
	}
	require.Equal(l.t, wanted, found)

	i := slices.IndexFunc(waiting, func(e map[string]any) bool { return e["features"].(map[string]any)["amount"] != nil })
	mended, left := waiting[i], waiting[(i+1)%len(waiting)]
	features := mended["features"].(map[string]any)
	amended := l.call(200, "PUT", fmt.Sprintf("/quarantine/%v", mended["id"]), fmt.Sprintf(`{"quantity": %v, "amount": %v}`, features["quantity"], -features["amount"].(float64)))
	require.Empty(l.t, amended["broken"])
	replayed := l.call(200, "POST", "/quarantine/replay", fmt.Sprintf(`{"run_id": %v}`, run))
	require.EqualValues(l.t, 1, replayed["replayed"], "only the one that was mended: %v", replayed)
	require.EqualValues(l.t, len(waiting)-1, replayed["waiting"])
	l.call(200, "POST", "/quarantine/discard", fmt.Sprintf(`{"ids": [%q]}`, left["id"]))
	stored := l.call(200, "GET", fmt.Sprintf("/history/customer/%v?features=purchases:amount", mended["entity_id"]), "")["observations"]
	require.Contains(l.t, fmt.Sprint(stored), fmt.Sprintf("event_time:%v features:map[purchases:amount:%v", mended["event_time"], -features["amount"].(float64)))
	for state, n := range map[string]int{"replayed": 1, "discarded": 1, "waiting": len(waiting) - 2, "all": len(waiting)} {
		require.Len(l.t, list(state), n, state)
	}
}

// results are all that reports of a load say, by rule and feature.
func (l *loop) results(run any) map[string]map[string]any {
	l.t.Helper()
	all := map[string]map[string]any{}
	for _, report := range l.call(200, "GET", "/reports?group=purchases&way=load", "")["reports"].([]any) {
		report := report.(map[string]any)
		if report["run_id"] != run {
			continue
		}
		for _, r := range l.call(200, "GET", fmt.Sprintf("/reports/%v", report["id"]), "")["results"].([]any) {
			r := r.(map[string]any)
			key := r["rule"].(string) + ":"
			if features := r["features"].([]any); len(features) == 1 {
				key += features[0].(string)
			}
			if kind := r["kind"]; report["evaluation_run_id"] != nil && (kind == "range" || kind == "not_null") {
				key += ", of all that is stored" // it had found something before
			}
			require.NotContains(l.t, all, key, "each is judged once")
			all[key] = r
		}
	}
	return all
}

// open are the alerts that are not resolved.
func (l *loop) open() map[string]map[string]any {
	l.t.Helper()
	all := map[string]map[string]any{}
	for _, alert := range l.call(200, "GET", "/alerts?open=true", "")["alerts"].([]any) {
		alert := alert.(map[string]any)
		feature, _ := alert["feature"].(string)
		key := alert["rule"].(string) + ":" + feature
		require.NotContains(l.t, all, key, "there is one for each")
		all[key] = alert
	}
	return all
}

func ids(alerts map[string]map[string]any) map[string]any {
	all := map[string]any{}
	for key, alert := range alerts {
		all[key] = alert["id"]
	}
	return all
}

// told waits until the receiver has heard of these, in whichever order, and of nothing else.
func (l *loop) told(wanted ...string) {
	l.t.Helper()
	var heard []string
	for len(heard) < len(wanted) {
		heard = append(heard, l.hook.next()...)
	}
	require.ElementsMatch(l.t, wanted, heard)
	l.heard = append(l.heard, heard...)
}

// nothingElseWasTold sees that no more notifications were made out than the receiver has got.
func (l *loop) nothingElseWasTold() {
	var sent []string
	for _, d := range l.call(200, "GET", "/receivers/shop_hook/deliveries?limit=100", "")["deliveries"].([]any) {
		for _, alert := range d.(map[string]any)["alerts"].([]any) {
			alert := alert.(map[string]any)
			feature, _ := alert["feature"].(string)
			sent = append(sent, strings.Replace(alert["event"].(string), "new", "firing", 1)+" "+alert["rule"].(string)+":"+feature)
		}
	}
	require.ElementsMatch(l.t, l.heard, sent)
}
