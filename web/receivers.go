package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// receiver is who is told of alerts, and how that goes.
type receiver struct {
	Name          string     `json:"name"`
	Kind          string     `json:"kind"`
	URLFile       string     `json:"url_file"`
	URLEnv        string     `json:"url_env"`
	SecretFile    string     `json:"secret_file"`
	SecretEnv     string     `json:"secret_env"`
	To            []string   `json:"to"`
	Owners        []string   `json:"owners"`
	MinSeverity   string     `json:"min_severity"`
	Groups        []string   `json:"groups"`
	FailingSince  *time.Time `json:"failing_since"`
	LastError     string     `json:"last_error"`
	LastSuccessAt *time.Time `json:"last_success_at"`
	LastFailureAt *time.Time `json:"last_failure_at"`
	Queued        int64      `json:"queued"`
	Dead          int64      `json:"dead"`
}

// State is how the last try went.
func (r receiver) State() string {
	switch {
	case r.FailingSince != nil:
		return "failing"
	case r.LastSuccessAt != nil:
		return "ok"
	}
	return "never tried"
}

// Class is the style of its state.
func (r receiver) Class() string { return stateClass(r.State()) }

// Address is where its address stands, which is not shown itself.
func (r receiver) Address() string {
	switch {
	case r.URLFile != "":
		return "in the file " + r.URLFile
	case r.URLEnv != "":
		return "in the variable " + r.URLEnv
	}
	return joined(r.To)
}

type receiversPage struct{ Receivers []receiver }

func (w *Web) receivers(r *http.Request) (any, error) {
	found, err := w.allReceivers(r)
	return receiversPage{found}, err
}

func (w *Web) allReceivers(r *http.Request) ([]receiver, error) {
	var found struct {
		Receivers []receiver `json:"receivers"`
	}
	err := w.api.get(r.Context(), "/receivers", nil, &found)
	return found.Receivers, err
}

// banner is something that every page says above all else.
type banner struct{ Text, Link, More string }

// banners are what is wrong with telling people that something is wrong: receivers that were not reached in the last try.
func (w *Web) banners(r *http.Request) []banner {
	found, err := w.allReceivers(r)
	if err != nil {
		return nil // pages that need it say so; the others go on without
	}
	var said []banner
	for _, one := range found {
		if one.FailingSince != nil {
			said = append(said, banner{fmt.Sprintf("The receiver %s is not reached: it was last tried %s.", one.Name, agoOf(w.clock(), one.LastFailureAt)), "/admin" + path("receivers", one.Name), "Look at it"})
		}
	}
	return said
}

func agoOf(now time.Time, t *time.Time) string {
	if t == nil {
		return "never"
	}
	return ago(now, *t)
}

// receiverPage is a receiver with what was sent to it.
type receiverPage struct {
	asked
	receiver
	Deliveries []delivery
	Next       string
}

func (p receiverPage) pageTitle() string { return p.Name }

// DeliveryStates are all that deliveries can be in.
func (p receiverPage) DeliveryStates() []string { return []string{"queued", "delivered", "dead"} }

// delivery is one notification on its way to a receiver.
type delivery struct {
	ID         int64      `json:"id"`
	Key        string     `json:"notification_id"`
	State      string     `json:"state"`
	Group      string     `json:"group"`
	Run        int64      `json:"run"`
	Test       bool       `json:"test"`
	CreatedAt  time.Time  `json:"created_at"`
	NextTryAt  *time.Time `json:"next_try_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Alerts     []struct {
		Event    string `json:"event"`
		Rule     string `json:"rule"`
		Sentence string `json:"sentence"`
		Severity string `json:"severity"`
	} `json:"alerts"`
	Tries []struct {
		At    time.Time `json:"at"`
		Took  int64     `json:"took_ms"`
		Code  int       `json:"code"`
		Error string    `json:"error"`
	} `json:"tries"`
}

// Class is the style of its state.
func (d delivery) Class() string { return stateClass(d.State) }

// Dead tells whether it was given up, so that it can be sent again.
func (d delivery) Dead() bool { return d.State == "dead" }

// deliveryFilters are the members of the address that narrow the list; each is one of GET /receivers/{name}/deliveries.
var deliveryFilters = []string{"state"}

func (w *Web) receiver(r *http.Request) (any, error) {
	name := r.PathValue("name")
	all, err := w.allReceivers(r)
	if err != nil {
		return nil, err
	}
	p := receiverPage{asked: asked{r.URL.Query()}}
	var found struct {
		Deliveries []delivery `json:"deliveries"`
		Next       string     `json:"next_page_token"`
	}
	at := path("receivers", name)
	if err := w.api.get(r.Context(), at+"/deliveries", narrowed(p.Asked, deliveryFilters, perPage), &found); err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(one receiver) bool { return one.Name == name }); i >= 0 {
		p.receiver = all[i]
	}
	p.Deliveries, p.Next = found.Deliveries, nextPage("/admin"+at, p.Asked, deliveryFilters, found.Next)
	return p, nil
}

// testReceiver sends a test now. That it did not arrive is no fault of the call.
func testReceiver() action {
	return asking("Send a test", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path("receivers", form.Get("name"), "test"), nil, nil
	}, func(a delivery, form url.Values) outcome {
		if a.State == "delivered" {
			return outcome{Done: fmt.Sprintf("The receiver %s has taken the test.", form.Get("name"))}
		}
		said := outcome{Done: fmt.Sprintf("The test did not reach %s.", form.Get("name")), Class: "bad"}
		if n := len(a.Tries); n > 0 {
			said.Lines = append(said.Lines, a.Tries[n-1].Error)
		}
		return said
	})
}

// resend queues what was given up again.
func resend() action {
	return asking("Send again", func(form url.Values) (string, string, url.Values, any) {
		return http.MethodPost, path("receivers", form.Get("name"), "deliveries", form.Get("id"), "resend"), nil, nil
	}, func(a delivery, _ url.Values) outcome {
		return outcome{Done: fmt.Sprintf("Delivery %d is queued again, with three tries.", a.ID)}
	})
}
