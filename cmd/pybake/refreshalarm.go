package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pybake/pybake/artifacts/publish"
	"github.com/pybake/pybake/internal/project"
	"github.com/pybake/pybake/internal/refresh/report"
)

// alarmTime is how long the command and the webhook may take.
const alarmTime = time.Minute

// alarm calls the command and the webhook that want to know of failures, at once.
func (r *refreshRun) alarm(ctx context.Context, n report.Night) []error {
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, call := range []func(context.Context, report.Night) error{r.callCommand, r.callWebhook} {
		both.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, alarmTime)
			defer cancel()
			errs[i] = call(ctx, n)
		})
	}
	both.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// alarmOf tells of a night that came to nothing.
func (r *refreshRun) alarmOf(ctx context.Context, err error) []error {
	n := r.nightOf(nil, publish.Set{}, r.current)
	n.Trouble = append(n.Trouble, err.Error())
	return r.alarm(ctx, n)
}

func (r *refreshRun) callCommand(ctx context.Context, n report.Night) error {
	if len(r.project.Refresh.OnFailure) == 0 {
		return nil
	}
	name := filepath.Join(r.dir.Dir, "report", "night.txt")
	argv := make([]string, len(r.project.Refresh.OnFailure))
	for i, arg := range r.project.Refresh.OnFailure {
		var err error
		if argv[i], err = project.Replace(arg, map[string]string{"report": name}); err != nil {
			return r.project.At("refresh.on-failure", err)
		}
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdin = r.project.Root, strings.NewReader(report.Text(n))
	cmd.Stdout, cmd.Stderr = r.a.display.lines(), r.a.display.lines()
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("[refresh] on-failure: %s: %w", argv[0], cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

// hookMessage is what a webhook gets: "text" is what most chats show.
type hookMessage struct {
	Text  string       `json:"text"`
	Night report.Night `json:"night"`
}

// callWebhook posts the night. Its errors do not have the address, which may have a token.
func (r *refreshRun) callWebhook(ctx context.Context, n report.Night) error {
	if r.project.Refresh.Webhook == "" {
		return nil
	}
	host, err := r.postWebhook(ctx, n)
	if err != nil {
		return fmt.Errorf("[refresh] webhook %s: %w", host, err)
	}
	return nil
}

func (r *refreshRun) postWebhook(ctx context.Context, n report.Night) (host string, err error) {
	full, err := r.project.WebhookAddress(r.a.lookupEnv)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(hookMessage{report.Text(n), n})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, full, bytes.NewReader(body))
	if err != nil {
		return "", errors.New("the address is none")
	}
	req.Header.Set("Content-Type", "application/json")
	client := r.a.httpClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // nobody checked where to
	resp, err := client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return req.URL.Host, wrapped.Err // without the address
	}
	if err != nil {
		return req.URL.Host, err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return req.URL.Host, fmt.Errorf("it answered %s", resp.Status)
	}
	return req.URL.Host, nil
}
