package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxBodyAlerts is how many alerts one body holds; the others are counted in truncatedAlerts.
const maxBodyAlerts = 200

// WebhookBody is what a webhook gets: the body of Alertmanager's webhooks, version 4, with notificationId beside it.
type WebhookBody struct {
	Version           string            `json:"version"` // "4"
	NotificationID    string            `json:"notificationId"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"` // firing if any alert is
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Alerts            []WebhookAlert    `json:"alerts"`
}

// WebhookAlert is one alert of a body. EndsAt is year 1 while it fires.
type WebhookAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
}

func (s *sender) webhookBody(to Receiver, delivery *Delivery) WebhookBody {
	m := &delivery.Message
	body := WebhookBody{
		Version: "4", NotificationID: delivery.Key, GroupKey: fmt.Sprintf(`{}:{group=%q, run="%d"}`, m.Group, m.Run), Status: "resolved",
		Receiver: to.Name, GroupLabels: filled("group", m.Group), ExternalURL: s.config.ExternalAddress,
	}
	if m.firing() {
		body.Status = "firing"
	}
	if m.Run != 0 {
		body.GroupLabels["run"] = strconv.FormatInt(m.Run, 10)
	}
	for i := range m.Items {
		if i == maxBodyAlerts {
			body.TruncatedAlerts = len(m.Items) - i
			break
		}
		body.Alerts = append(body.Alerts, s.webhookAlert(&m.Items[i], m.Test))
	}
	body.CommonLabels, body.CommonAnnotations = common(body.Alerts, func(a *WebhookAlert) map[string]string { return a.Labels }),
		common(body.Alerts, func(a *WebhookAlert) map[string]string { return a.Annotations })
	return body
}

func (s *sender) webhookAlert(i *Item, test bool) WebhookAlert {
	alert := WebhookAlert{
		Status: "firing", StartsAt: i.Since, GeneratorURL: s.config.link(i.Alert), Fingerprint: i.fingerprint(),
		Labels: filled("alertname", i.Rule, "group", i.Group, "feature", i.Feature, "severity", string(i.Severity), "owner", i.Owner, "class", string(i.Class)),
		Annotations: filled("summary", i.Sentence, "observed", i.Observed, "expected", i.Expected, "status", string(i.Status), "event", string(i.Event),
			"resolution", i.Resolution),
	}
	if i.Run != 0 {
		alert.Annotations["run"] = strconv.FormatInt(i.Run, 10)
	}
	if i.Alert != 0 {
		alert.Annotations["alert_id"] = strconv.FormatInt(i.Alert, 10)
	}
	if test {
		alert.Labels["test"] = "true"
	}
	if i.Event == EventResolved && i.ResolvedAt != nil {
		alert.Status, alert.EndsAt = "resolved", *i.ResolvedAt
	}
	return alert
}

// filled makes a map of names and values, without those that are empty.
func filled(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			m[pairs[i]] = pairs[i+1]
		}
	}
	return m
}

// common is what all alerts have alike.
func common(alerts []WebhookAlert, of func(*WebhookAlert) map[string]string) map[string]string {
	shared := map[string]string{}
	for name, value := range of(&alerts[0]) {
		same := true
		for i := range alerts {
			other, has := of(&alerts[i])[name]
			same = same && has && other == value
		}
		if same {
			shared[name] = value
		}
	}
	return shared
}

// Of a message to Slack: how many alerts are spelt out, and how many characters it has at most (Slack cuts at 40,000).
const (
	slackAlerts     = 20
	slackCharacters = 39_000
)

// slackText is a message in Slack's own form of text.
func (s *sender) slackText(m *Message) string {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	parts := []string{"*" + escape.Replace(m.title()) + "*"}
	for i := range m.Items {
		if i == slackAlerts {
			parts = append(parts, fmt.Sprintf("and %d more", len(m.Items)-i))
			break
		}
		text := escape.Replace(strings.Join(m.Items[i].lines(), "\n"))
		if link := s.config.link(m.Items[i].Alert); link != "" {
			text += fmt.Sprintf("\n<%s|alert %d>", link, m.Items[i].Alert)
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, "\n\n")
	if runes := []rune(text); len(runes) > slackCharacters {
		return string(runes[:slackCharacters-1]) + "…"
	}
	return text
}

// post sends to a webhook or to Slack.
func (s *sender) post(ctx context.Context, u *url.URL, secret string, to Receiver, delivery *Delivery) (int, error) {
	var content any = s.webhookBody(to, delivery)
	if to.Kind == Slack {
		content = map[string]string{"text": s.slackText(&delivery.Message)}
	}
	body, err := json.Marshal(content)
	if err != nil {
		return 0, &finalError{fmt.Errorf("write the body: %w", err)}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return 0, &finalError{errors.New("the address cannot be called")}
	}
	request.GetBody = nil // never sent twice in one try
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "featurestore")
	request.Header.Set(DeliveryHeader, delivery.Key)
	if to.Kind == Webhook && secret != "" {
		request.Header.Set(SignatureHeader, Sign(secret, body, time.Now()))
	}
	response, err := s.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	return response.StatusCode, judge(response)
}

// judge says what a status means. What a 4xx says will be said again, but for 408 and 429; a 2xx whose body does not end is one.
func judge(response *http.Response) error {
	code := response.StatusCode
	if code >= 200 && code < 300 {
		return nil
	}
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 300)) //nolint:errcheck // only to be shown
	failure := fmt.Errorf("it answered %d: %s", code, strings.TrimSpace(string(answer)))
	switch {
	case code >= 300 && code < 400:
		return &finalError{fmt.Errorf("it answered %d, a redirect, which is not followed: name the address that it leads to", code)}
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		if after := retryAfter(response.Header.Get("Retry-After"), time.Now()); after > 0 {
			return &retryError{failure, after}
		}
		return failure
	}
	return &finalError{failure}
}

// retryAfter reads the header: seconds or a date; 0 if it says nothing.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(header, 10, 32); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
