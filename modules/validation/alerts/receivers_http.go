package alerts

import (
	"context"
	"time"

	"featurestore/app/httpapi"
)

// ReceiverAnswer is a receiver as the API shows it. Where it is stands in a file or a variable, whose name alone is shown.
type ReceiverAnswer struct {
	Name          string     `json:"name"`
	Kind          string     `json:"kind" enum:"webhook,slack,email"`
	URLFile       string     `json:"url_file,omitempty"`
	URLEnv        string     `json:"url_env,omitempty"`
	SecretFile    string     `json:"secret_file,omitempty"`
	SecretEnv     string     `json:"secret_env,omitempty"`
	To            []string   `json:"to,omitempty"`
	Owners        []string   `json:"owners,omitempty"`
	MinSeverity   Severity   `json:"min_severity" enum:"info,warn,error"`
	Groups        []string   `json:"groups,omitempty"`
	FailingSince  *time.Time `json:"failing_since,omitempty" doc:"Absent while the last try succeeded"`
	LastError     string     `json:"last_error,omitempty" doc:"Of the last try"`
	LastSuccessAt *time.Time `json:"last_success_at,omitempty"`
	LastFailureAt *time.Time `json:"last_failure_at,omitempty"`
	Queued        int64      `json:"queued" doc:"Notifications that wait to be sent"`
	Dead          int64      `json:"dead" doc:"Notifications that were given up"`
}

type listReceiversOutput struct {
	Body struct {
		Receivers []ReceiverAnswer `json:"receivers" doc:"By name"`
	}
}

func (a *Alerts) listReceivers(ctx context.Context, _ *struct{}) (*listReceiversOutput, error) {
	health, err := a.health(ctx)
	if err != nil {
		return nil, err
	}
	out := &listReceiversOutput{}
	for _, r := range a.receivers.Receivers() {
		h := health[r.Name]
		out.Body.Receivers = append(out.Body.Receivers, ReceiverAnswer{
			Name: r.Name, Kind: r.Kind, URLFile: r.URLFile, URLEnv: r.URLEnv, SecretFile: r.SecretFile, SecretEnv: r.SecretEnv,
			To: r.To, Owners: r.Owners, MinSeverity: r.MinSeverity, Groups: r.Groups,
			FailingSince: given(h.FailingSince), LastError: h.LastError, LastSuccessAt: given(h.LastSuccessAt), LastFailureAt: given(h.LastFailureAt),
			Queued: h.Queued, Dead: h.Dead,
		})
	}
	return out, nil
}

// DeliveryAnswer is a delivery as the API shows it.
type DeliveryAnswer struct {
	ID             int64         `json:"id"`
	NotificationID string        `json:"notification_id" doc:"Stands in what is sent, the same in every try"`
	State          DeliveryState `json:"state" enum:"queued,delivered,dead"`
	Group          string        `json:"group,omitempty"`
	Run            int64         `json:"run,omitempty"`
	Test           bool          `json:"test,omitempty"`
	Alerts         []Item        `json:"alerts" doc:"What is told"`
	Tries          []Try         `json:"tries"`
	CreatedAt      time.Time     `json:"created_at"`
	NextTryAt      *time.Time    `json:"next_try_at,omitempty"`
	FinishedAt     *time.Time    `json:"finished_at,omitempty"`
}

func (d *Delivery) show() DeliveryAnswer {
	return DeliveryAnswer{
		ID: d.ID, NotificationID: d.Key, State: d.State, Group: d.Group, Run: d.Run, Test: d.Message.Test, Alerts: d.Message.Items, Tries: d.Tries,
		CreatedAt: d.CreatedAt, NextTryAt: given(d.NextAt), FinishedAt: given(d.FinishedAt),
	}
}

type deliveryOutput struct{ Body DeliveryAnswer }

func (a *Alerts) testReceiver(ctx context.Context, in *struct {
	Name string `path:"name"`
}) (*deliveryOutput, error) {
	delivery, err := a.Test(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	return &deliveryOutput{delivery.show()}, nil
}

type listDeliveriesOutput struct {
	Body struct {
		Deliveries    []DeliveryAnswer `json:"deliveries"`
		NextPageToken string           `json:"next_page_token,omitempty" doc:"Absent on the last page"`
	}
}

func (a *Alerts) listDeliveries(ctx context.Context, in *struct {
	httpapi.Page
	Name  string        `path:"name"`
	State DeliveryState `query:"state" enum:"queued,delivered,dead" doc:"In this state only"`
}) (*listDeliveriesOutput, error) {
	before, err := in.Last()
	if err != nil {
		return nil, err
	}
	if _, err := a.known(in.Name); err != nil {
		return nil, err
	}
	found, err := a.Deliveries(ctx, in.Name, in.State, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &listDeliveriesOutput{}
	found, out.Body.NextPageToken = httpapi.CutPage(&in.Page, found, func(d *Delivery) int64 { return d.ID })
	for _, d := range found {
		out.Body.Deliveries = append(out.Body.Deliveries, d.show())
	}
	return out, nil
}

func (a *Alerts) resend(ctx context.Context, in *struct {
	Name string `path:"name"`
	ID   int64  `path:"id" minimum:"1"`
}) (*deliveryOutput, error) {
	if _, err := a.known(in.Name); err != nil {
		return nil, err
	}
	delivery, err := a.Resend(ctx, in.Name, in.ID)
	if err != nil {
		return nil, err
	}
	return &deliveryOutput{delivery.show()}, nil
}
