// A client for the admin API. Its errors say what to do.

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	callTime    = 30 * time.Second
	probeTime   = 5 * time.Minute // longer than the server's own limit
	maxResponse = 32 << 20        // bytes
)

// problemReply is an RFC 9457 problem from the server.
type problemReply struct {
	Title  string `json:"title"`
	Detail string `json:"detail"`
	Errors []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"errors"`
}

// call sends one request and decodes the reply into out, unless out is nil.
func (o *operator) call(ctx context.Context, method, path string, body []byte, out any) error {
	server, err := o.target()
	if err != nil {
		return err
	}
	limit := callTime
	if strings.HasSuffix(path, "/test") {
		limit = probeTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, server.url+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		return &operatorError{code: exitUsage, text: "PARLEY_URL: " + err.Error()}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if !server.token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+server.token.Reveal())
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	resp, err := client.Do(r)
	if err != nil {
		return unreachable(server, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return unreachable(server, err)
	}
	if resp.StatusCode == http.StatusUnauthorized {
		return server.wantsToken()
	}
	return understand(server.url, resp, text, out)
}

func unreachable(server target, err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err // e's own text repeats the URL
	}
	text := fmt.Sprintf("no server answers at %s (%v): start one with `make run` or `parley serve`, or set PARLEY_URL", server.url, err)
	if errors.Is(err, context.DeadlineExceeded) {
		text = fmt.Sprintf("the server at %s did not answer in time", server.url)
	} else if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	return &operatorError{code: exitUnreachable, text: text, stranger: !server.named}
}

func understand(base string, resp *http.Response, text []byte, out any) error {
	kind := resp.Header.Get("Content-Type")
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return nil
	case strings.HasPrefix(kind, "application/problem+json"):
		return refused(resp.StatusCode, text)
	case resp.StatusCode/100 == 3:
		return &operatorError{code: exitFailed, text: fmt.Sprintf("%s redirects to %s: set PARLEY_URL to the server's own address", base, resp.Header.Get("Location"))}
	case resp.StatusCode/100 != 2 || !strings.HasPrefix(kind, "application/json"):
		return &operatorError{code: exitFailed, status: resp.StatusCode,
			text: fmt.Sprintf("%s is not a parley server (HTTP %d): check PARLEY_URL", base, resp.StatusCode)}
	case out == nil:
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(out); err != nil {
		return &operatorError{code: exitFailed, text: fmt.Sprintf("cannot read the response of %s: %v", base, err)}
	}
	return nil
}

func refused(status int, text []byte) error {
	var p problemReply
	if json.Unmarshal(text, &p) != nil || p.Detail == "" {
		return &operatorError{code: exitFailed, status: status, text: fmt.Sprintf("the server refused the request (HTTP %d)", status)}
	}
	e := &operatorError{code: exitFailed, status: status, text: p.Detail, server: text}
	if len(p.Errors) > 1 { // a single error is in the detail already
		for _, f := range p.Errors {
			e.more = append(e.more, f.Field+": "+f.Detail)
		}
	}
	return e
}

func compact(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}

// randomName makes a short random name that tells keys apart.
func randomName() string { return rand.Text()[:6] }
