package alerts

import (
	"encoding/json"
	"fmt"
	"time"

	"featurestore/app/database"
)

type subjectRow struct {
	GroupName string `gorm:"primaryKey"`
	Rule      string `gorm:"primaryKey"`
	Feature   string `gorm:"primaryKey"`
	Bad       int
	Good      int
	BadSince  *database.Micros
	LastAt    database.Micros
}

func (subjectRow) TableName() string { return "validation_alert_subjects" }

type alertRow struct {
	ID                   int64 `gorm:"primaryKey"`
	GroupName            string
	Rule                 string
	Feature              string
	RuleVersion          int
	Class                Class
	Owner                string
	Severity             Severity
	State                State
	Status               Status
	Observed             string
	Expected             string
	Sentence             string
	Run                  int64
	Since                database.Micros
	OpenedAt             database.Micros
	LastAt               database.Micros
	TellAt               *database.Micros
	ToldAt               *database.Micros
	ToldSeverity         Severity
	ToldTo               string
	AcknowledgedAt       *database.Micros
	AcknowledgedBy       string
	AcknowledgedSeverity Severity
	Note                 string
	SilenceID            int64
	MutedBy              int64
	ResolvedAt           *database.Micros
	Resolution           string
}

func (alertRow) TableName() string { return "validation_alerts" }

func (row *alertRow) alert() (*Alert, error) {
	a := &Alert{
		ID: row.ID, Group: row.GroupName, Rule: row.Rule, Feature: row.Feature, RuleVersion: row.RuleVersion, Class: row.Class,
		Owner: row.Owner, Severity: row.Severity, State: row.State, Status: row.Status,
		Observed: row.Observed, Expected: row.Expected, Sentence: row.Sentence, Run: row.Run,
		Since: row.Since.Time(), OpenedAt: row.OpenedAt.Time(), LastAt: row.LastAt.Time(),
		TellAt: timeOf(row.TellAt), ToldAt: timeOf(row.ToldAt), ToldSeverity: row.ToldSeverity,
		AcknowledgedAt: timeOf(row.AcknowledgedAt), AcknowledgedBy: row.AcknowledgedBy, AcknowledgedSeverity: row.AcknowledgedSeverity, Note: row.Note,
		SilenceID: row.SilenceID, MutedBy: row.MutedBy, ResolvedAt: timeOf(row.ResolvedAt), Resolution: row.Resolution,
		stored: *row,
	}
	if err := json.Unmarshal([]byte(row.ToldTo), &a.ToldTo); err != nil {
		return nil, fmt.Errorf("read who was told of alert %d: %w", row.ID, err)
	}
	return a, nil
}

func (a *Alert) row() (*alertRow, error) {
	told, err := json.Marshal(a.ToldTo)
	if err != nil {
		return nil, err
	}
	return &alertRow{
		ID: a.ID, GroupName: a.Group, Rule: a.Rule, Feature: a.Feature, RuleVersion: a.RuleVersion, Class: a.Class,
		Owner: a.Owner, Severity: a.Severity, State: a.State, Status: a.Status,
		Observed: a.Observed, Expected: a.Expected, Sentence: a.Sentence, Run: a.Run,
		Since: database.MicrosOf(a.Since), OpenedAt: database.MicrosOf(a.OpenedAt), LastAt: database.MicrosOf(a.LastAt),
		TellAt: microsOf(a.TellAt), ToldAt: microsOf(a.ToldAt), ToldSeverity: a.ToldSeverity, ToldTo: string(told),
		AcknowledgedAt: microsOf(a.AcknowledgedAt), AcknowledgedBy: a.AcknowledgedBy, AcknowledgedSeverity: a.AcknowledgedSeverity, Note: a.Note,
		SilenceID: a.SilenceID, MutedBy: a.MutedBy, ResolvedAt: microsOf(a.ResolvedAt), Resolution: a.Resolution,
	}, nil
}

type silenceRow struct {
	ID        int64 `gorm:"primaryKey"`
	GroupName string
	Rule      string
	Feature   string
	Owner     string
	UntilAt   database.Micros
	Author    string
	Reason    string
	CreatedAt database.Micros
}

func (silenceRow) TableName() string { return "validation_silences" }

func (row *silenceRow) silence() Silence {
	return Silence{
		ID: row.ID, Matcher: Matcher{Group: row.GroupName, Rule: row.Rule, Feature: row.Feature, Owner: row.Owner},
		Until: row.UntilAt.Time(), Author: row.Author, Reason: row.Reason, CreatedAt: row.CreatedAt.Time(),
	}
}

type deliveryRow struct {
	ID         int64 `gorm:"primaryKey"`
	Key        string
	Receiver   string
	GroupName  string
	Run        int64
	Message    string
	State      DeliveryState
	Tries      string
	Attempts   int
	NextAt     database.Micros
	LeaseUntil database.Micros
	Holder     string
	CreatedAt  database.Micros
	FinishedAt *database.Micros
}

func (deliveryRow) TableName() string { return "validation_alert_deliveries" }

func (row *deliveryRow) delivery() (*Delivery, error) {
	d := &Delivery{
		ID: row.ID, Key: row.Key, Receiver: row.Receiver, Group: row.GroupName, Run: row.Run, State: row.State,
		Attempts: row.Attempts, CreatedAt: row.CreatedAt.Time(), FinishedAt: timeOf(row.FinishedAt),
	}
	if row.State == Queued {
		d.NextAt = row.NextAt.Time()
	}
	if err := json.Unmarshal([]byte(row.Tries), &d.Tries); err != nil {
		return nil, fmt.Errorf("read the tries of delivery %d: %w", row.ID, err)
	}
	if err := json.Unmarshal([]byte(row.Message), &d.Message); err != nil {
		return nil, fmt.Errorf("read the message of delivery %d: %w", row.ID, err)
	}
	return d, nil
}

type receiverRow struct {
	Name          string `gorm:"primaryKey"`
	FailingSince  *database.Micros
	LastError     string
	LastSuccessAt *database.Micros
	LastFailureAt *database.Micros
}

func (receiverRow) TableName() string { return "validation_alert_receivers" }

func (row *receiverRow) health() Health {
	return Health{
		Receiver: row.Name, FailingSince: timeOf(row.FailingSince), LastError: row.LastError,
		LastSuccessAt: timeOf(row.LastSuccessAt), LastFailureAt: timeOf(row.LastFailureAt),
	}
}

// timeOf is zero for null.
func timeOf(m *database.Micros) time.Time {
	if m == nil {
		return time.Time{}
	}
	return m.Time()
}

// microsOf is null for zero.
func microsOf(t time.Time) *database.Micros {
	if t.IsZero() {
		return nil
	}
	m := database.MicrosOf(t)
	return &m
}
