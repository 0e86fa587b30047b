package validation

import (
	"context"
	"errors"
	"slices"
	"time"

	"featurestore/modules/registry"
	"featurestore/modules/runs"
)

const (
	flushWithin = 10 * time.Second // how long the last report of single writes may take when the module is stopped
	endedLook   = time.Second      // how often it is looked whether definitions have changed, so that rules have ended
	hourly      = time.Hour
)

// Start begins to report what is written singly.
func (v *Validation) Start(ctx context.Context) error {
	ctx, v.cancel = context.WithCancel(context.WithoutCancel(ctx))
	v.done.Go(func() { v.reportOnTime(ctx) })
	return nil
}

// Stop reports what was written singly since the last time.
func (v *Validation) Stop() {
	if v.cancel == nil {
		return
	}
	v.cancel()
	v.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
	defer cancel()
	if err := v.reportWritten(ctx); err != nil {
		v.log.Error("what rules said of the last rows that were written could not be reported", "error", err)
	}
}

func (v *Validation) reportOnTime(ctx context.Context) {
	ticker := time.NewTicker(v.config.WriteReportEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := v.reportWritten(ctx)
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) {
			if failing = err != nil; failing {
				v.log.Warn("what rules say of single writes cannot be reported; it waits", "error", err)
			} else {
				v.log.Info("what rules say of single writes is reported again")
			}
		}
	}
}

// HandleRuns has this process evaluate rules on what is stored. It is called before the runs are started.
func (v *Validation) HandleRuns() { v.work.Handle(EvaluationKind, evaluations, v.workEvaluation) }

// Ticker looks after rules in time: it has them evaluated, ends the alerts of those that are no more, and gives up old reports and what was frozen for
// baselines that are no more. It is for processes with the role.
type Ticker struct {
	v      *Validation
	cancel context.CancelFunc
	looked int64 // the revision of the definitions at the last look for rules that have ended
}

// Ticker makes it.
func (v *Validation) Ticker() *Ticker { return &Ticker{v: v} }

// Start begins to tick.
func (t *Ticker) Start(ctx context.Context) error {
	ctx, t.cancel = context.WithCancel(context.WithoutCancel(ctx))
	t.v.ticking.Go(func() { t.tick(ctx) })
	return nil
}

// Stop ends it, and waits.
func (t *Ticker) Stop() {
	if t.cancel != nil {
		t.cancel()
	}
	t.v.ticking.Wait()
}

func (t *Ticker) tick(ctx context.Context) {
	v := t.v
	look := time.NewTicker(endedLook)
	defer look.Stop()
	due, forgotten, swept := map[int64]time.Time{}, time.Time{}, time.Time{}
	failing := false
	for {
		var errs []error
		now := v.now()
		if now.Sub(forgotten) >= hourly {
			forgotten = now
			errs = append(errs, v.repository.forget(ctx, now.Add(-v.config.ReportKeep)))
		}
		// A result of an older definition may come in behind: so it is looked now and then although nothing has changed.
		if revision := v.definitions.Catalog().Revision(); revision != t.looked || now.Sub(swept) >= time.Minute {
			whole, err := v.endRules(ctx)
			err = errors.Join(err, v.profiles.forgetDeleted(ctx))
			if errs = append(errs, err); whole && err == nil {
				t.looked, swept = revision, now
			}
		}
		for _, group := range v.definitions.Catalog().Groups() {
			if v.config.Every == 0 || now.Before(due[group.ID]) || len(v.guards.Definitions().RulesOf(group.Name)) == 0 {
				continue
			}
			next, err := v.evaluateOnTime(ctx, group)
			errs, due[group.ID] = append(errs, err), next
		}
		err := errors.Join(errs...)
		if ctx.Err() != nil {
			return
		}
		if failing != (err != nil) {
			if failing = err != nil; failing {
				v.log.Warn("rules cannot be looked after; it is tried again", "error", err)
			} else {
				v.log.Info("rules are looked after again")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// evaluateOnTime has the rules of a group evaluated if their time has come, by whichever process, and answers when it comes next.
func (v *Validation) evaluateOnTime(ctx context.Context, group *registry.Group) (next time.Time, err error) {
	last, err := v.repository.scheduled(ctx, group.Name)
	if err != nil {
		return time.Time{}, err
	}
	now := v.now()
	if next = last.Add(v.config.Every); now.Before(next) {
		return next, nil
	}
	soon := now.Add(min(v.config.Every, time.Minute))
	if of, err := v.inTime(ctx, group); err != nil || len(of) == 0 {
		return soon, err
	}
	request := evaluationRequest{Way: BySchedule}
	for _, state := range []runs.State{runs.Running, runs.Queued} {
		underWay, err := v.work.List(ctx, runs.Filter{Kind: EvaluationKind, Subject: group.Name, State: state})
		if err != nil {
			return time.Time{}, err
		}
		if slices.ContainsFunc(underWay, func(run runs.Run) bool { return request.is(run) }) {
			return soon, nil
		}
	}
	_, err = v.work.Submit(ctx, EvaluationKind, group.Name, request)
	return soon, err
}

// endRules resolves the alerts of rules that were deleted, switched off, or are about something else now. It answers false if a result of one of
// them came in meanwhile.
func (v *Validation) endRules(ctx context.Context) (whole bool, err error) {
	standing, err := v.repository.standing(ctx)
	if err != nil {
		return false, err
	}
	whole = true
	definitions := v.guards.Definitions()
	for _, s := range standing {
		reason := definitions.Ended(s.GroupName, s.Rule, s.Feature)
		if reason == "" {
			continue
		}
		if err := v.told.ResolveSubject(ctx, s.GroupName, s.Rule, s.Feature, reason); err != nil {
			return false, err
		}
		ended, err := v.repository.end(ctx, s)
		if err != nil {
			return false, err
		}
		whole = whole && ended
	}
	return whole, nil
}
