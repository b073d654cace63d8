package door_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/internal/door"
	"parley/internal/door/doortest"
)

const token = "the-admin-token-0123"

// request comes from an address, with headers in pairs.
func request(t *testing.T, method, from string, header ...string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1:7070/x", nil)
	r.RemoteAddr = from
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func bearer(t *testing.T, from, value string) *http.Request {
	return request(t, "GET", from, "Authorization", "Bearer "+value)
}

// cookie is what a login set.
func cookie(t *testing.T, w *httptest.ResponseRecorder) *http.Cookie {
	t.Helper()
	all := w.Result().Cookies()
	if len(all) != 1 {
		t.Fatalf("cookies %v", all)
	}
	return all[0]
}

func with(t *testing.T, c *http.Cookie, header ...string) *http.Request {
	return request(t, "GET", "127.0.0.1:1", append(header, "Cookie", c.Name+"="+c.Value)...)
}

func code(t *testing.T, d *door.Door) string {
	t.Helper()
	c, until, err := d.NewCode(t.Context())
	if err != nil || time.Until(until) > 10*time.Minute || len(c) < 26 {
		t.Fatal(c, until, err)
	}
	return c
}

func TestACodeBeginsOneSession(t *testing.T) {
	m := &doortest.Memory{}
	d, replica := doortest.With(t, token, m), doortest.With(t, token, m)
	one := code(t, d)
	w := httptest.NewRecorder()
	if err := replica.Exchange(w, request(t, "GET", "127.0.0.1:1"), one); err != nil { // whichever replica the browser meets
		t.Fatal(err)
	}
	c := cookie(t, w)
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Value == one || c.Name != "parley_session_7070" {
		t.Errorf("%+v", c)
	}
	if err := d.Admit(with(t, c)); err != nil {
		t.Error(err)
	}
	for _, used := range []string{one, "", "x", one + "x", c.Value, strings.Repeat("A", 1<<10)} {
		if err := d.Exchange(httptest.NewRecorder(), request(t, "GET", "127.0.0.1:1"), used); !errors.Is(err, door.ErrWrong) {
			t.Errorf("%.30q: %v", used, err)
		}
	}
	// A server with another token shares the store: neither is good there.
	other := doortest.With(t, "another-admin-token-0123", m)
	if err := other.Admit(with(t, c)); !errors.Is(err, door.ErrMissing) {
		t.Error(err)
	}
	if err := other.Exchange(httptest.NewRecorder(), request(t, "GET", "127.0.0.1:1"), code(t, d)); !errors.Is(err, door.ErrWrong) {
		t.Error(err)
	}
	for _, key := range m.Keys() {
		if strings.Contains(key, one) || strings.Contains(key, c.Value) || strings.Contains(key, token) {
			t.Errorf("the store's key %s tells a secret", key)
		}
	}
}

func TestOfManyWhoUseACodeOneGetsIn(t *testing.T) {
	d := doortest.New(t, token)
	one := code(t, d)
	var in, out sync.Map
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := d.Exchange(httptest.NewRecorder(), request(t, "GET", fmt.Sprintf("10.0.0.%d:1", i)), one); err == nil {
				in.Store(i, true)
			} else {
				out.Store(i, err)
			}
		})
	}
	all.Wait()
	n := 0
	in.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d got in", n)
	}
}

func TestCodesAndSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doortest.New(t, token)
		late := code(t, d)
		w := httptest.NewRecorder()
		if err := d.Enter(w, request(t, "POST", "127.0.0.1:1"), token); err != nil {
			t.Fatal(err)
		}
		c := cookie(t, w)
		time.Sleep(10*time.Minute + time.Second)
		if err := d.Exchange(httptest.NewRecorder(), request(t, "GET", "127.0.0.1:1"), late); !errors.Is(err, door.ErrWrong) {
			t.Errorf("after ten minutes: %v", err)
		}
		if err := d.Admit(with(t, c)); err != nil {
			t.Error(err)
		}
		time.Sleep(12 * time.Hour)
		if err := d.Admit(with(t, c)); !errors.Is(err, door.ErrMissing) {
			t.Errorf("after twelve hours: %v", err)
		}
	})
}

// Logging out ends the session on the server: whoever kept the cookie is out, on
// every replica and after a restart.
func TestLoggingOutEndsTheSessionEverywhere(t *testing.T) {
	m := &doortest.Memory{}
	d := doortest.With(t, token, m)
	w := httptest.NewRecorder()
	if err := d.Exchange(w, request(t, "GET", "127.0.0.1:1"), code(t, d)); err != nil {
		t.Fatal(err)
	}
	c := cookie(t, w)
	stays := doortest.Session(t, d)
	w = httptest.NewRecorder()
	if err := d.Leave(w, with(t, c)); err != nil {
		t.Fatal(err)
	}
	if gone := cookie(t, w); gone.MaxAge >= 0 || gone.Name != c.Name {
		t.Errorf("%+v", gone)
	}
	for name, replica := range map[string]*door.Door{"here": d, "elsewhere": doortest.With(t, token, m)} {
		if err := replica.Admit(with(t, c)); !errors.Is(err, door.ErrMissing) {
			t.Errorf("%s: %v", name, err)
		}
		if err := replica.Admit(request(t, "GET", "127.0.0.1:1", "Cookie", stays)); err != nil {
			t.Errorf("%s, another session: %v", name, err)
		}
	}
}

func TestCookiesUnderTLS(t *testing.T) {
	d := doortest.New(t, token)
	r := request(t, "POST", "127.0.0.1:1", "X-Forwarded-Proto", "https")
	r.Host = "parley.example.com"
	w := httptest.NewRecorder()
	if err := d.Enter(w, r, token); err != nil {
		t.Fatal(err)
	}
	if c := cookie(t, w); !c.Secure || c.Name != "__Host-parley_session" || c.Domain != "" || c.Path != "/" {
		t.Errorf("%+v", c)
	} else if err := d.Admit(with(t, c)); err != nil {
		t.Error(err)
	}
}

func TestWhoIsAdmitted(t *testing.T) {
	d := doortest.New(t, token)
	session := doortest.Session(t, d)
	for name, c := range map[string]struct {
		header []string
		want   error
	}{
		"nothing":                       {nil, door.ErrMissing},
		"the token":                     {[]string{"Authorization", "Bearer " + token}, nil},
		"another":                       {[]string{"Authorization", "Bearer other"}, door.ErrWrong},
		"a session":                     {[]string{"Cookie", session}, nil},
		"another server's cookie too":   {[]string{"Cookie", "parley_session_7071=X; " + session}, nil},
		"a password for a proxy":        {[]string{"Authorization", "Basic eDp5", "Cookie", session}, nil},
		"a password for a proxy alone":  {[]string{"Authorization", "Basic eDp5"}, door.ErrMissing},
		"a proxy's token and a session": {[]string{"Authorization", "Bearer other", "Cookie", session}, nil},
		"an ended session":              {[]string{"Cookie", "parley_session_7070=AAAAAAAAAAAAAAAAAAAAAAAAAA"}, door.ErrMissing},
		"a local address":               {[]string{"X-Forwarded-For", "127.0.0.1", "Host", "localhost"}, door.ErrMissing},
	} {
		if err := d.Admit(request(t, "GET", "127.0.0.1:1", c.header...)); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := request(t, "POST", "127.0.0.1:1", "Cookie", session, "Sec-Fetch-Site", "same-site") // another port of localhost
	if err := d.Admit(r); !errors.Is(err, door.ErrElsewhere) {
		t.Errorf("from another site: %v", err)
	}
}

// A store that is away is no wrong password, and keeps the token good.
func TestWhenTheStoreIsAway(t *testing.T) {
	m := &doortest.Memory{}
	d := doortest.With(t, token, m)
	one, session := code(t, d), doortest.Session(t, d)
	m.Broken = errors.New("away")
	if err := d.Admit(request(t, "GET", "127.0.0.1:1", "Cookie", session)); !errors.Is(err, m.Broken) {
		t.Error(err)
	}
	if err := d.Exchange(httptest.NewRecorder(), request(t, "GET", "127.0.0.1:1"), one); !errors.Is(err, m.Broken) {
		t.Error(err)
	}
	if err := d.Admit(bearer(t, "127.0.0.1:1", token)); err != nil {
		t.Error(err)
	}
}

// Behind a proxy everybody comes from one address: no amount of wrong tries may
// keep the right token, a session or a code out.
func TestNoStrangerLocksOthersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doortest.New(t, token)
		session, one := doortest.Session(t, d), code(t, d)
		for i := range 200 {
			var err error
			switch i % 3 {
			case 0:
				err = d.Admit(bearer(t, "10.0.0.1:1", "guess"))
			case 1:
				err = d.Enter(httptest.NewRecorder(), request(t, "POST", "10.0.0.1:1"), "guess")
			case 2:
				err = d.Exchange(httptest.NewRecorder(), request(t, "GET", "10.0.0.1:1"), "guess")
			}
			slow, slowed := errors.AsType[*door.SlowError](err)
			if !errors.Is(err, door.ErrWrong) || slowed != (i >= 10) {
				t.Fatalf("try %d: %v", i, err)
			}
			if slowed && (slow.After < time.Second || slow.After > time.Minute) {
				t.Fatalf("come back in %s", slow.After)
			}
		}
		began := time.Now()
		for name, err := range map[string]error{
			"token":   d.Admit(bearer(t, "10.0.0.1:1", token)),
			"login":   d.Enter(httptest.NewRecorder(), request(t, "POST", "10.0.0.1:1"), token),
			"code":    d.Exchange(httptest.NewRecorder(), request(t, "GET", "10.0.0.1:1"), one),
			"session": d.Admit(request(t, "GET", "10.0.0.1:1", "Cookie", session)),
		} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("what is right waited %s", took)
		}
		if err := d.Admit(bearer(t, "10.0.0.2:1", "typo")); !errors.Is(err, door.ErrWrong) {
			t.Error(err)
		} else if _, slowed := errors.AsType[*door.SlowError](err); slowed {
			t.Error("another address is slowed, too")
		}
		time.Sleep(time.Minute)
		if _, slowed := errors.AsType[*door.SlowError](d.Admit(bearer(t, "10.0.0.1:1", "typo"))); slowed {
			t.Error("slowed for ever")
		}
	})
}

// Wrong ones are held, but not many at once: the limit is no way to fill memory.
func TestGuessingIsSlowAndCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doortest.New(t, token)
		guess := func() { _ = d.Admit(bearer(t, "10.0.0.1:1", "guess")) }
		for range 10 {
			guess()
		}
		began := time.Now()
		for range 20 {
			guess()
		}
		if took := time.Since(began); took < 20*200*time.Millisecond {
			t.Errorf("twenty guesses, one after the other, took %s", took)
		}
		began = time.Now()
		var all sync.WaitGroup
		var mu sync.Mutex
		atOnce := 0
		for range 1000 {
			all.Go(func() {
				guess()
				mu.Lock()
				defer mu.Unlock()
				if time.Since(began) == 0 {
					atOnce++
				}
			})
		}
		all.Wait()
		if held := 1000 - atOnce; held < 1 || held > 64 {
			t.Errorf("%d of 1000 were held at once", held)
		}
	})
}

func TestEachIPv6NetworkIsOneGuesser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doortest.New(t, token)
		var err error
		for i := range 11 {
			err = d.Admit(bearer(t, fmt.Sprintf("[2001:db8::%x]:1", i+1), "guess"))
		}
		if _, slowed := errors.AsType[*door.SlowError](err); !slowed {
			t.Error("a new address of the same network counts from nothing")
		}
		// More networks than are counted apart share one count.
		for i := range 4096 + 20 {
			err = d.Admit(bearer(t, fmt.Sprintf("[2001:db8:%x:%x::1]:1", i/256+1, i%256), "guess"))
		}
		if _, slowed := errors.AsType[*door.SlowError](err); !slowed {
			t.Error("the count of addresses has no end")
		}
	})
}
