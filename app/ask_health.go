package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// askTimeout is above checkTimeout, so that a process that answers "not ready" is heard.
const askTimeout = checkTimeout + time.Second

// AskHealth asks the process that listens on the first of the addresses whether it can answer. Its error says why not.
func AskHealth(ctx context.Context, listen []string) error {
	host, port, err := net.SplitHostPort(listen[0])
	if err != nil {
		return err // config has checked it
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	address := net.JoinHostPort(host, port)
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the process on %s gave no answer within %s", address, askTimeout)
	}
	if err != nil {
		return fmt.Errorf("no process answers on %s: %w", address, errors.Unwrap(err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10)) // what it says besides is a help, no more
		return fmt.Errorf("the process on %s cannot answer: %s %s", address, response.Status, strings.TrimSpace(string(said)))
	}
	return nil
}
