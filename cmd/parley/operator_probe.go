// parley provider test: the probe's report.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// testProvider exits with exitFailed when the endpoint does not work, also
// with --json.
func testProvider(ctx context.Context, o *operator) error {
	model := flagText(o.flags, "model")
	if len(o.args) == 2 {
		model = o.args[1]
	}
	var body []byte
	if model != "" {
		var err error
		if body, err = json.Marshal(map[string]string{"model": model}); err != nil {
			return err
		}
	}
	var raw json.RawMessage
	if err := o.call(ctx, http.MethodPost, providerPath(o.args[0])+"/test", body, &raw); err != nil {
		return err
	}
	var report struct {
		OK        bool
		Diagnosis string
	}
	if err := json.Unmarshal(raw, &report); err != nil {
		return err
	}
	err := o.show(raw, func(w io.Writer) { _, _ = fmt.Fprintln(w, printable(report.Diagnosis)) })
	if err == nil && !report.OK {
		return &operatorError{code: exitFailed}
	}
	return err
}
