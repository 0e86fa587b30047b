package alerts

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"featurestore/app/httpapi"
)

// Routes mounts the calls of alerts, silences and receivers.
func (a *Alerts) Routes(api huma.API) {
	const get, post, remove = http.MethodGet, http.MethodPost, http.MethodDelete
	operation := func(method, path, id, tag, summary, description string) huma.Operation {
		return huma.Operation{Method: method, Path: path, OperationID: id, Tags: []string{tag}, Summary: summary, Description: description}
	}

	const alerts = "Alerts"
	httpapi.Register(api, operation(get, "/alerts", "list-alerts", alerts, "List alerts", "The newest first."), a.listAlerts)
	httpapi.Register(api, operation(get, "/alerts/{id}", "get-alert", alerts, "Read an alert", ""), a.getAlert)
	httpapi.Register(api, operation(post, "/alerts/{id}/acknowledge", "acknowledge-alert", alerts, "Say that somebody works on an alert",
		"Nothing more is sent until it is resolved, or its severity rises above what it is now."), a.acknowledge)
	httpapi.Register(api, operation(post, "/alerts/{id}/resolve", "resolve-alert", alerts, "End an alert by decision",
		"The next bad evaluation opens another one."), a.resolve)

	const silences = "Silences"
	httpapi.Register(api, operation(get, "/silences", "list-silences", silences, "List silences", "The newest first, those that have ended too."), a.listSilences)
	create := operation(post, "/silences", "create-silence", silences, "Keep alerts from being sent for a while",
		"Those that fit all patterns of the matcher, open ones and later ones. That an alert is resolved is sent all the same to receivers that were told before that it fires.")
	create.DefaultStatus = http.StatusCreated
	httpapi.Register(api, create, a.createSilence)
	httpapi.Register(api, operation(remove, "/silences/{id}", "end-silence", silences, "End a silence now",
		"Alerts that it covered and that still fire are sent again."), a.endSilence)

	const receivers = "Receivers"
	httpapi.Register(api, operation(get, "/receivers", "list-receivers", receivers, "List receivers, and how they do",
		"They are defined with POST /receivers, or /apply. Addresses and secrets are never shown."), a.listReceivers)
	httpapi.Register(api, operation(post, "/receivers/{name}/test", "test-receiver", receivers, "Send a test", signing), a.testReceiver)
	httpapi.Register(api, operation(get, "/receivers/{name}/deliveries", "list-deliveries", receivers, "List what was sent to a receiver",
		"The newest first, each with its tries."), a.listDeliveries)
	resend := operation(post, "/receivers/{name}/deliveries/{id}/resend", "resend-delivery", receivers, "Send what was given up again", "")
	resend.DefaultStatus = http.StatusAccepted
	httpapi.Register(api, resend, a.resend)
}

// signing tells receivers what they get.
const signing = "Once, now; the answer says what became of it.\n\n" +
	"A webhook gets the body of Alertmanager's webhooks, version 4, with notificationId beside it, the same in every try and in the header " + DeliveryHeader + ": " +
	"a receiver that has seen it already can pass over it. With a secret, the header " + SignatureHeader + " is t=<seconds since 1970>,v1=<hex>, where the hex digits are the HMAC-SHA256, " +
	"under the secret, of the number t as text, a full stop, and the body byte for byte. To verify: compute it again, compare in constant time, and refuse a t that is more than five minutes from now. " +
	"2xx is taken as received; redirects are not followed; other 3xx and 4xx are given up at once, but 408 and 429 are tried again as 5xx and broken connections are: three tries in all, " +
	"after 10 seconds and a minute, or after what Retry-After says, at most 15 minutes."
