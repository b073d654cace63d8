// The verbs parley open and parley check.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"

	"parley/internal/chat"
	"parley/internal/folder"
)

// openPages prints an address that logs in to the pages once.
func openPages(ctx context.Context, o *operator) error {
	server, err := o.target()
	if err != nil {
		return err
	}
	var code struct{ Path, Expires string }
	if err := o.call(ctx, http.MethodPost, "/login-codes", nil, &code); err != nil {
		return err
	}
	address := server.url + code.Path
	return o.show(map[string]string{"url": address, "expires": code.Expires}, func(w io.Writer) { _, _ = fmt.Fprintln(w, address) })
}

// checkSettings reads everything that serve reads, and starts nothing.
func checkSettings(_ context.Context, o *operator) error {
	s, problems := read(o.process)
	if s.config.AdminToken.IsZero() && len(problems) == 0 {
		if _, err := folder.Token(s.config.DataDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	texts := []string{}
	for _, p := range problems {
		texts = append(texts, p.Error())
	}
	if o.json {
		if err := printJSON(o.stdout, map[string]any{"ok": len(texts) == 0, "problems": texts, "bots": len(s.bots), "providers": len(s.file)}); err != nil {
			return err
		}
		if len(texts) > 0 {
			return &operatorError{code: exitFailed}
		}
		return nil
	}
	if len(texts) > 0 {
		return &operatorError{code: exitFailed, text: texts[0], more: texts[1:]}
	}
	about := chat.Count(len(s.bots), "bot")
	if s.config.ProvidersFile != "" {
		about += ", " + chat.Count(len(s.file), "provider") + " in PROVIDERS_FILE"
	}
	_, err := fmt.Fprintf(o.stdout, "The settings are valid: %s.\n", about)
	return err
}
