package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"featurestore/app/fault"
)

const (
	problemType      = "application/problem+json"
	statusClientGone = 499 // for the log and the metrics: nobody reads it
	maxViolations    = 1000
)

// Problem is the answer to every request that fails (RFC 9457).
type Problem struct {
	Type       string            `json:"type" doc:"Which problem, for programs: urn:featurestore:problem: and a name that does not change"`
	Title      string            `json:"title" doc:"Which problem, for people"`
	Status     int               `json:"status" doc:"The HTTP status"`
	Detail     string            `json:"detail" doc:"What happened in this case and what to do"`
	Instance   string            `json:"instance,omitempty" doc:"The request: urn:featurestore:request: and its id, which the answer's X-Request-Id and the log carry too"`
	Violations []fault.Violation `json:"violations,omitempty" doc:"Everything that is wrong with the input"`

	retryAfter int
	cause      error // to be logged
}

func (p *Problem) Error() string             { return p.Detail }
func (p *Problem) GetStatus() int            { return p.Status }
func (p *Problem) ContentType(string) string { return problemType }
func (p *Problem) GetHeaders() http.Header {
	if p.retryAfter == 0 {
		return nil
	}
	return http.Header{"Retry-After": {strconv.Itoa(p.retryAfter)}}
}

// statuses decides the HTTP status of each kind.
var statuses = [...]int{
	fault.Invalid:       http.StatusBadRequest,
	fault.Unprocessable: http.StatusUnprocessableEntity,
	fault.NotFound:      http.StatusNotFound,
	fault.Conflict:      http.StatusConflict,
	fault.Stale:         http.StatusPreconditionFailed,
	fault.TooLarge:      http.StatusRequestEntityTooLarge,
	fault.Unsupported:   http.StatusUnsupportedMediaType,
	fault.Forbidden:     http.StatusForbidden,
	fault.Gone:          http.StatusGone,
	fault.Busy:          http.StatusServiceUnavailable,
	fault.Internal:      http.StatusInternalServerError,
	fault.NotAcceptable: http.StatusNotAcceptable,
}

func newProblem(status int, slug, detail string) *Problem {
	title := strings.ReplaceAll(slug, "-", " ")
	return &Problem{
		Type:   "urn:featurestore:problem:" + slug,
		Title:  strings.ToUpper(title[:1]) + title[1:],
		Status: status,
		Detail: detail,
	}
}

// at says where the problem is.
func (p *Problem) at(location, value, message string) *Problem {
	p.Violations = append(p.Violations, fault.Violation{Location: location, Message: message, Value: fault.Shorten(value)})
	return p
}

// problemOf is the answer to an error.
func problemOf(err error) *Problem {
	if f, ok := fault.As(err); ok {
		p := newProblem(statuses[f.Kind], f.Slug, f.Detail)
		p.Violations = f.Violations
		p.retryAfter = f.RetryAfter
		if f.Kind == fault.Busy && p.retryAfter == 0 {
			p.retryAfter = 1
		}
		if p.Status >= 500 {
			p.cause = err
		}
		return p
	}
	if errors.Is(err, context.Canceled) {
		return newProblem(statusClientGone, "cancelled", "the request was cancelled before it was answered")
	}
	p := newProblem(http.StatusInternalServerError, "internal", "something went wrong inside the server; its log names the cause under this request's id")
	p.cause = err
	return p
}

// problems turns huma's own errors into problems, and gives every problem its instance.
func (a *adapter) problems(ctx huma.Context, _ string, v any) (any, error) {
	var p *Problem
	switch failed := v.(type) {
	case *Problem:
		p = failed
	case *huma.ErrorModel:
		p = validationProblem(ctx, failed)
	default:
		return v, nil
	}
	c := ctx.(*requestContext)
	a.settle(c.echo.Response(), c.echo.Request(), p)
	c.status = p.Status
	return p, nil
}

// validationProblem says in our words what huma found wrong with a request.
func validationProblem(ctx huma.Context, found *huma.ErrorModel) *Problem {
	var p *Problem
	switch found.Status {
	case http.StatusRequestEntityTooLarge:
		return newProblem(found.Status, "body-too-large",
			fmt.Sprintf("the body is larger than %d bytes", ctx.Operation().MaxBodyBytes-1)).at("body", "", "is too large")
	case http.StatusRequestTimeout:
		return newProblem(found.Status, "body-too-slow", "the body did not arrive in time").at("body", "", "stopped arriving")
	case http.StatusUnsupportedMediaType:
		return newProblem(found.Status, "unsupported-content-type", fmt.Sprintf("the content type %q is not read here; send application/json",
			fault.Shorten(ctx.Header("Content-Type")))).at("header.Content-Type", ctx.Header("Content-Type"), "is not application/json")
	case http.StatusInternalServerError: // huma answers it when the body breaks off
		return newProblem(http.StatusBadRequest, "body-broken-off", "the body ended before it was complete").at("body", "", "is incomplete")
	case http.StatusBadRequest:
		if len(found.Errors) == 0 {
			return newProblem(found.Status, "empty-body", "this call needs a body").at("body", "", "is empty")
		}
		p = newProblem(found.Status, "invalid-json", "the body is not the JSON that this call takes")
	default:
		p = newProblem(found.Status, "invalid-request", "the request is not as this call takes it")
	}
	for _, e := range found.Errors {
		location := e.Location
		var value string
		switch v := e.Value.(type) {
		case nil:
		case string:
			value = v
		default:
			text, err := json.Marshal(v)
			if err != nil {
				text = fmt.Append(nil, v)
			}
			value = string(text)
		}
		if p.Status == http.StatusBadRequest {
			value = "" // huma gives the whole body
		}
		p.Violations = append(p.Violations, fault.Violation{Location: location, Message: e.Message, Value: fault.Shorten(value)})
	}
	if len(p.Violations) == 1 {
		p.Detail += ": " + p.Violations[0].Location + ": " + p.Violations[0].Message
	}
	return p
}

// settle names the request in the problem and logs what is no caller's doing.
func (a *adapter) settle(w http.ResponseWriter, r *http.Request, p *Problem) {
	id := requestID(w)
	if id != "" {
		p.Instance = "urn:featurestore:request:" + id
	}
	if more := len(p.Violations) - maxViolations; more > 0 {
		p.Violations = p.Violations[:maxViolations]
		p.Detail = fmt.Sprintf("%s; %d more violations are not listed", p.Detail, more)
	}
	if p.cause != nil {
		a.log.Error("a request failed", "request", id, "method", r.Method, "path", r.URL.Path, "status", p.Status, "error", p.cause)
	}
}

func requestID(w http.ResponseWriter) string { return w.Header().Get(requestIDHeader) }

// write answers a problem outside of huma.
func (a *adapter) write(w http.ResponseWriter, r *http.Request, p *Problem) {
	a.settle(w, r, p)
	body, err := json.Marshal(p)
	if err != nil {
		a.log.Error("a problem could not be written", "error", err)
		body = []byte("{}")
	}
	header := w.Header()
	maps.Copy(header, p.GetHeaders())
	header.Set("Content-Type", problemType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body) //nolint:errcheck // the client is gone
}

func unknownPath(u *url.URL) *Problem {
	return newProblem(http.StatusNotFound, "unknown-path",
		fmt.Sprintf("there is nothing at %s; /docs lists all calls", fault.Shorten(u.Path))).at("path", u.Path, "is no call")
}

// notServed is unknownPath, unless other processes may serve the path.
func (a *adapter) notServed(u *url.URL) *Problem {
	if a.elsewhere != nil {
		first, _, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if role := a.elsewhere(first); role != "" {
			return newProblem(http.StatusNotFound, "another-role",
				fmt.Sprintf("/%s is served by the role %s, which this process does not have: send the call to one that has it", first, role)).
				at("path", u.Path, "is served by the role "+role)
		}
	}
	return unknownPath(u)
}

// handleError answers what the router itself refuses.
func (a *adapter) handleError(err error, c echo.Context) {
	w, r := c.Response(), c.Request()
	if w.Committed {
		return
	}
	var refused *echo.HTTPError
	switch {
	case !errors.As(err, &refused):
		a.write(w, r, problemOf(err))
	case refused.Code == http.StatusMethodNotAllowed:
		a.write(w, r, newProblem(refused.Code, "method-not-allowed", fmt.Sprintf("%s does not take %s; it takes %s",
			fault.Shorten(r.URL.Path), fault.Shorten(r.Method), w.Header().Get(echo.HeaderAllow))).at("method", r.Method, "is not taken here"))
	case refused.Code == http.StatusNotFound:
		a.write(w, r, a.notServed(r.URL))
	default:
		a.write(w, r, newProblem(refused.Code, "refused", fmt.Sprint(refused.Message)))
	}
}
