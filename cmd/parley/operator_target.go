// Which server a verb talks to, and which token it sends. A token in a directory's
// files is only for the server of that directory; to use another server, set its
// token in the environment.

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"

	"parley/internal/config"
	"parley/internal/folder"
	"parley/internal/secret"
)

// target is the server that a verb talks to.
type target struct {
	url   string
	named bool        // by PARLEY_URL; otherwise it is this directory's server
	token secret.Text // zero: no token is sent
	from  string      // where the token comes from
	lacks string      // why no token is sent, and what to do
}

// environment is the process environment and the file .env, as the server reads
// them.
func (o *operator) environment() (config.Environment, error) {
	return config.ReadEnvironment(o.environ, ".env")
}

// target finds the server and the token for it.
func (o *operator) target() (target, error) {
	env, err := o.environment()
	if err != nil {
		return target{}, err
	}
	named, err := config.LoadOperator(env)
	if err != nil {
		return target{}, &operatorError{code: exitUsage, text: err.Error()}
	}
	c, _ := config.Load(env) // problems with other settings do not matter here
	t, ours := folderTarget(env, c)
	if named.URL != "" && !(env.FromFile("PARLEY_URL") && sameAddress(named.URL, t.url)) {
		t, ours = target{url: named.URL, named: true}, false
	}
	given := secret.New(strings.TrimSpace(env.Get("ADMIN_TOKEN")))
	switch {
	case !given.IsZero() && !env.FromFile("ADMIN_TOKEN"):
		t.token, t.from = given, "ADMIN_TOKEN"
	case !ours && t.named:
		t.lacks = "PARLEY_URL is set, so set ADMIN_TOKEN in the environment; the token in .env or DATA_DIR is only for the server of this directory"
	case !ours:
		t.lacks = fmt.Sprintf("HTTP_ADDR comes from the environment, and the server of this directory (DATA_DIR %s) is not running there: set ADMIN_TOKEN in the environment", c.DataDir)
	case !given.IsZero():
		t.token, t.from = given, "ADMIN_TOKEN in .env"
	default:
		t.token, err = folder.Token(c.DataDir)
		t.from = folder.TokenPath(c.DataDir)
		if errors.Is(err, fs.ErrNotExist) {
			t.lacks = fmt.Sprintf("set ADMIN_TOKEN, or run this in the server's directory; this one has neither ADMIN_TOKEN in .env nor %s", t.from)
		} else if err != nil {
			t.lacks = err.Error()
		}
	}
	return t, nil
}

// folderTarget is the server of this directory: the running one, unless HTTP_ADDR
// sets its port. ours reports whether HTTP_ADDR belongs to this directory's
// server; in the environment, it may be another server's.
func folderTarget(env config.Environment, c config.Config) (t target, ours bool) {
	running := folder.Running(c.DataDir)
	t.url = "http://" + reachable(c.HTTPAddr)
	if _, port, _ := net.SplitHostPort(c.HTTPAddr); running != "" && (!c.HTTPAddrGiven || port == "0") {
		t.url = running
	}
	return t, !c.HTTPAddrGiven || env.FromFile("HTTP_ADDR") || sameAddress(running, t.url)
}

// reachable is the address at which this machine reaches a server that listens on
// addr.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// sameAddress reports whether two URLs lead to the same listener. All loopback
// addresses count as the same.
func sameAddress(a, b string) bool {
	return a != "" && b != "" && listenerOf(a) == listenerOf(b)
}

func listenerOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		host = "loopback"
	}
	if port == "" {
		port = u.Scheme
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port) + strings.TrimRight(u.Path, "/")
}

// wantsToken is the error for a server that refused: it got no token or a wrong
// one.
func (t target) wantsToken() error {
	e := &operatorError{code: exitFailed, status: 401, stranger: t.token.IsZero() && !t.named}
	if t.token.IsZero() {
		e.text = fmt.Sprintf("the server at %s requires its admin token: %s", t.url, t.lacks)
		return e
	}
	e.text = fmt.Sprintf("the server at %s refuses the admin token from %s: it belongs to another server, or the server has a new one", t.url, t.from)
	return e
}
