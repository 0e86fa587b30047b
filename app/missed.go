package app

import (
	"context"
	"fmt"

	"featurestore/modules/scheduler"
	"featurestore/modules/validation/alerts"
)

// missedSchedules raises an alert for a schedule that is missed, and resolves it once it is kept again.
type missedSchedules struct{ alerts *alerts.Alerts }

// noGroup stands where an alert names a group; no group can be called so.
const noGroup = "all groups"

func (m missedSchedules) Missed(ctx context.Context, missed scheduler.Missed) error {
	rule, group := "schedule "+missed.Schedule, missed.Group
	if group == "" {
		group = noGroup
	}
	if missed.Kept {
		return m.alerts.ResolveSubject(ctx, group, rule, "", missed.Sentence)
	}
	o := alerts.Outcome{
		Rule: rule, Group: group, Class: alerts.Data, Owner: missed.Owner, Severity: alerts.Warn, Status: alerts.Failed,
		Observed: missed.Sentence, Expected: fmt.Sprintf("%s begins when it is due", missed.Schedule), Sentence: missed.Sentence, At: missed.At, For: 1, ResolveAfter: 1,
	}
	if missed.What == scheduler.Pipeline { // what should come in does not
		o.Class, o.Severity = alerts.Source, alerts.Error
	}
	return m.alerts.Observe(ctx, o)
}
