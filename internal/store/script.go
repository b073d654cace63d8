// Scripts in the embedded store. Its server makes a new Lua machine for every
// call, which is most of what a call costs; here each script keeps its own.
// What a script may do is what Redis allows: string, table, math, redis.call,
// redis.pcall. A script that wants more (cjson …) is left to the server.

package store

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/alicebob/miniredis/v2/server"
	lua "github.com/yuin/gopher-lua"
)

// script is one script with its machine. One runs at a time: scripts are
// writing operations.
type script struct {
	machine *lua.LState
	body    *lua.LFunction
	server  *server.Server
	peer    *server.Peer // what redis.call talks through
	reply   bytes.Buffer
	reader  *bufio.Reader
}

// runScript executes EVAL or EVALSHA. It returns false when the server is to
// do it: for scripts it knows and this does not, and to report errors.
func (e *embedded) runScript(c *server.Peer, name string, args []string) bool {
	if len(args) < 2 {
		return false
	}
	keys, err := strconv.Atoi(args[1])
	if err != nil || keys < 0 || keys > len(args)-2 {
		return false
	}
	s := e.scripts[strings.ToLower(args[0])]
	if name == "EVAL" {
		s = e.prepare(args[0])
	}
	if s == nil {
		return false
	}
	s.run(c, args[2:2+keys], args[2+keys:])
	return true
}

// prepare compiles a script once. Nil means that the server is to run it.
func (e *embedded) prepare(source string) *script {
	sum := sha1.Sum([]byte(source)) // Redis names scripts so
	sha := hex.EncodeToString(sum[:])
	if s, ok := e.scripts[sha]; ok {
		return s
	}
	s := newScript(e.server.Server(), source)
	e.scripts[sha] = s
	return s
}

func newScript(srv *server.Server, source string) *script {
	for _, foreign := range []string{"cjson", "cmsgpack", "struct.", "bit.", "os.", "debug", "require", "redis.set", "redis.repl", "redis.log", "redis.sha1hex", "redis.error_reply", "redis.status_reply", "server."} {
		if strings.Contains(source, foreign) {
			return nil
		}
	}
	l := lua.NewState(lua.Options{SkipOpenLibs: true, RegistrySize: 1 << 10, RegistryMaxSize: 1 << 18, CallStackSize: 64})
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable,
		lua.StringLibName: lua.OpenString, lua.MathLibName: lua.OpenMath,
	} {
		l.Push(l.NewFunction(open))
		l.Push(lua.LString(name))
		if l.PCall(1, 0, nil) != nil {
			return nil
		}
	}
	body, err := l.LoadString(source)
	if err != nil {
		return nil
	}
	s := &script{machine: l, body: body, server: srv}
	s.peer = server.NewPeer(bufio.NewWriter(&s.reply))
	s.reader = bufio.NewReader(&s.reply)
	l.SetGlobal("redis", l.SetFuncs(l.NewTable(), map[string]lua.LGFunction{
		"call":  func(l *lua.LState) int { return s.call(l, false) },
		"pcall": func(l *lua.LState) int { return s.call(l, true) },
	}))
	return s
}

func (s *script) run(c *server.Peer, keys, argv []string) {
	l := s.machine
	defer l.SetTop(0)
	l.SetGlobal("KEYS", stringTable(l, keys))
	l.SetGlobal("ARGV", stringTable(l, argv))
	l.Push(s.body)
	if err := l.PCall(0, 1, nil); err != nil {
		c.WriteError(scriptError(err))
		return
	}
	writeLua(c, l.Get(-1))
}

func stringTable(l *lua.LState, list []string) *lua.LTable {
	t := l.CreateTable(len(list), 0)
	for _, v := range list {
		t.Append(lua.LString(v))
	}
	return t
}

// scriptError is an error as a reply: the error of a command keeps its code.
func scriptError(err error) string {
	text := err.Error()
	if api, ok := errors.AsType[*lua.ApiError](err); ok && api.Object != nil {
		text = api.Object.String()
	}
	text = strings.NewReplacer("\r", " ", "\n", " ").Replace(text)
	if code, _, _ := strings.Cut(text, " "); code != "" && strings.ToUpper(code) == code && !strings.ContainsAny(code, ":<>") {
		return text
	}
	return "ERR error in script: " + text
}

// call is redis.call, or redis.pcall, which returns an error instead of
// raising it.
func (s *script) call(l *lua.LState, protected bool) int {
	args := make([]string, l.GetTop()) // the server may keep it
	for i := range args {
		switch v := l.Get(i + 1).(type) {
		case lua.LNumber:
			args[i] = v.String()
		case lua.LString:
			args[i] = string(v)
		default:
			l.RaiseError("arguments of a command are strings or numbers")
		}
	}
	if len(args) == 0 {
		l.RaiseError("a command is missing")
	}
	s.reply.Reset()
	s.reader.Reset(&s.reply)
	s.server.Dispatch(s.peer, args)
	s.peer.Flush()
	reply, err := server.ParseReply(s.reader)
	switch {
	case err == nil:
		l.Push(toLua(l, reply))
	case protected:
		t := l.NewTable()
		t.RawSetString("err", lua.LString(err.Error()))
		l.Push(t)
	default:
		l.Error(lua.LString(err.Error()), 0)
	}
	return 1
}

// toLua follows Redis's conversion: nil becomes false, a status a table.
func toLua(l *lua.LState, reply any) lua.LValue {
	switch v := reply.(type) {
	case nil:
		return lua.LFalse
	case int:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case server.Simple:
		t := l.NewTable()
		t.RawSetString("ok", lua.LString(string(v)))
		return t
	case []any:
		t := l.CreateTable(len(v), 0)
		for _, element := range v {
			t.Append(toLua(l, element))
		}
		return t
	}
	return lua.LString(fmt.Sprint(reply))
}

// writeLua follows Redis's conversion back: numbers lose their fraction, false
// and nil become nil, an array ends at its first nil.
func writeLua(c *server.Peer, value lua.LValue) {
	switch v := value.(type) {
	case lua.LBool:
		if v {
			c.WriteInt(1)
			return
		}
	case lua.LNumber:
		c.WriteInt(int(v))
		return
	case lua.LString:
		c.WriteBulk(string(v))
		return
	case *lua.LTable:
		if text, ok := v.RawGetString("err").(lua.LString); ok {
			c.WriteError(string(text))
			return
		}
		if text, ok := v.RawGetString("ok").(lua.LString); ok {
			c.WriteInline(string(text))
			return
		}
		n := 0
		for v.RawGetInt(n+1) != lua.LNil {
			n++
		}
		c.WriteLen(n)
		for i := range n {
			writeLua(c, v.RawGetInt(i+1))
		}
		return
	}
	c.WriteNull()
}
