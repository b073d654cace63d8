// The verb parley store repair: what is damaged in the embedded store's files, and
// what can be saved. It works on the folder, without a server.

package main

import (
	"context"
	"fmt"
	"io"

	"parley/internal/chat"
	"parley/internal/config"
	"parley/internal/store"
)

func repairVerb() operatorVerb {
	var yes bool
	return operatorVerb{
		name: "repair", takes: "[--yes]",
		does:  "says what is damaged in the embedded store's files in DATA_DIR and what can be saved; --yes writes it, and keeps the damaged files under new names. Stop the server first",
		flags: func(o *operator) { o.flags.BoolVar(&yes, "yes", false, "") },
		run:   func(ctx context.Context, o *operator) error { return repairStore(ctx, o, yes) },
	}
}

func repairStore(ctx context.Context, o *operator, yes bool) error {
	env, err := o.environment()
	if err != nil {
		return err
	}
	c, _ := config.Load(env) // problems with other settings do not matter here
	r, err := store.Repair(ctx, c.DataDir, yes)
	if err != nil {
		return &operatorError{code: exitFailed, text: err.Error()}
	}
	if len(r.Files) == 0 {
		return &operatorError{code: exitFailed, text: fmt.Sprintf("DATA_DIR: %s has no files of an embedded store", r.Dir)}
	}
	if err := o.show(r, func(w io.Writer) { writeRepair(w, r) }); err != nil {
		return err
	}
	if r.Damaged && r.Written == "" {
		return &operatorError{code: exitFailed}
	}
	return nil
}

func writeRepair(w io.Writer, r store.RepairReport) {
	for _, f := range r.Files {
		note := "whole"
		if f.Note != "" {
			note = f.Note
		}
		_, _ = fmt.Fprintf(w, "%s: %s, %s: %s\n", f.File, chat.Count(f.Bytes, "byte"), chat.Count(f.Writes, "whole write"), note)
	}
	keys := chat.Count(r.Keys, "key")
	switch {
	case !r.Damaged:
		_, _ = fmt.Fprintf(w, "Nothing is damaged: the store has %s.\n", keys)
		return
	case r.Complete:
		_, _ = fmt.Fprintf(w, "Everything can be saved: %s.\n", keys)
	default:
		_, _ = fmt.Fprintf(w, "What is whole can be saved: %s. What the damaged parts held is lost; a backup may have it.\n", keys)
	}
	if r.Written == "" {
		_, _ = fmt.Fprintln(w, "Nothing was written. To repair the store: parley store repair --yes")
		return
	}
	_, _ = fmt.Fprintf(w, "Written: %s. parley can be started.\n", r.Written)
	for _, name := range r.Aside {
		_, _ = fmt.Fprintf(w, "Kept: %s; delete it once you no longer need it.\n", name)
	}
}
