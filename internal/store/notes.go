// What a writing operation executes, noted for the journal.

package store

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/alicebob/miniredis/v2/server"
)

// notes are the effects of the operation that runs.
type notes struct {
	writes map[string]keysOf // the commands that can be journalled
	never  map[string]bool   // those that write and cannot

	mu      sync.Mutex // guards what follows
	on      bool       // an operation runs
	wrote   bool       // it wrote something, journalled or not
	full    bool       // the journal takes nothing: only transient keys may be written
	refused bool       // a write was refused because of that
	records []byte
}

// note is the server's hook. It sees every command before it is executed,
// those of scripts included, and notes the ones that write.
func (e *embedded) note(c *server.Peer, name string, args ...string) bool {
	if name == "EVAL" || name == "EVALSHA" {
		return e.notes.active() && e.runScript(c, name, args)
	}
	where, writes := e.notes.writes[name]
	if !writes && !e.notes.never[name] {
		return false
	}
	if err := e.notes.refusal(name, args); err != nil {
		c.WriteError("ERR " + err.Error())
		return true
	}
	if problem := e.notes.add(where, name, args); problem != "" {
		c.WriteError(problem)
		return true
	}
	return false
}

// add notes a command that writes. A problem is the error reply to give instead
// of executing it.
func (n *notes) add(where keysOf, name string, args []string) (problem string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.on {
		return "ERR this connection may not write: it goes around the journal"
	}
	n.wrote = true
	if allTransient(where, args) {
		return ""
	}
	if n.full {
		n.refused = true
		return "MISCONF the journal cannot be written"
	}
	n.records = appendCommand(n.records, append([]string{name}, args...))
	return ""
}

// refusal says why the journal cannot keep a command, if it cannot.
func (n *notes) refusal(name string, args []string) error {
	if n.never[name] {
		return fmt.Errorf("the embedded store does not keep %s", name)
	}
	if name == "XADD" && strings.Contains(streamID(args), "*") {
		return errors.New("the embedded store keeps XADD with an explicit id only")
	}
	return nil
}

// streamID finds the id among XADD's arguments.
func streamID(args []string) string {
	for i := 1; i < len(args); i++ {
		switch strings.ToUpper(args[i]) {
		case "NOMKSTREAM":
		case "MAXLEN", "MINID":
			if i+1 < len(args) && (args[i+1] == "=" || args[i+1] == "~") {
				i++
			}
			i++
		case "LIMIT":
			i++
		default:
			return args[i]
		}
	}
	return ""
}

func (n *notes) active() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.on
}

// start begins the notes of one operation.
func (n *notes) start(full bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.on, n.full = true, full
	n.wrote, n.refused, n.records = false, false, nil
}

// end returns them: the records for the journal, whether the operation wrote
// anything, and whether a write was refused.
func (n *notes) end() (records []byte, wrote, refused bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.on = false
	return n.records, n.wrote, n.refused
}
