// A Redis of the operator's: reading REDIS_URL, connecting, and saying clearly
// what is wrong when that fails.

package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// startWait is how long Open waits for a Redis that does not answer yet.
const startWait = 5 * time.Second

// urgentPool is how many connections Urgent has at most, to each node.
const urgentPool = 4

const urlForms = "REDIS_URL is redis://[user:password@]host:port[/db], rediss:// for TLS, a comma-separated list of them for Cluster, or …?sentinel_master=NAME with the Sentinels' addresses"

// target is REDIS_URL, read.
type target struct {
	options          *redis.Options // of the first address
	addrs            []string
	sentinelMaster   string
	sentinelUser     string
	sentinelPassword string
}

func parseURL(raw string) (*target, error) {
	t := &target{}
	query := url.Values{}
	var first *url.URL
	for part := range strings.SplitSeq(raw, ",") {
		part = strings.TrimSpace(part)
		if !strings.Contains(part, "://") && first != nil {
			part = first.Scheme + "://" + part
		}
		u, err := url.Parse(part)
		if err != nil {
			return nil, errors.New("REDIS_URL cannot be read as a URL (a password with special characters must be percent-encoded). " + urlForms)
		}
		if u.Scheme != "redis" && u.Scheme != "rediss" {
			return nil, fmt.Errorf("REDIS_URL has the scheme %q. %s", u.Scheme, urlForms)
		}
		if u.Hostname() == "" {
			return nil, errors.New("REDIS_URL names no host. " + urlForms)
		}
		if first == nil {
			first = u
		} else if u.Scheme != first.Scheme {
			return nil, errors.New("REDIS_URL mixes redis:// and rediss://: all addresses of one installation use the same")
		}
		if first.User == nil {
			first.User = u.User
		}
		if first.Path == "" || first.Path == "/" {
			first.Path = u.Path
		}
		maps.Copy(query, u.Query())
		port := u.Port()
		if port == "" {
			port = "6379"
		}
		t.addrs = append(t.addrs, net.JoinHostPort(u.Hostname(), port))
	}
	t.sentinelMaster = query.Get("sentinel_master")
	t.sentinelUser = query.Get("sentinel_username")
	t.sentinelPassword = query.Get("sentinel_password")
	for _, own := range []string{"sentinel_master", "sentinel_username", "sentinel_password"} {
		query.Del(own)
	}
	first.RawQuery = query.Encode()
	options, err := redis.ParseURL(first.String())
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %s. %s", strings.TrimPrefix(err.Error(), "redis: "), urlForms)
	}
	t.options = options
	return t, nil
}

// tuned sets what parley wants where the URL says nothing.
func (t *target) tuned() *redis.UniversalOptions {
	o := t.options
	or := func(d, otherwise time.Duration) time.Duration {
		if d == 0 {
			return otherwise
		}
		return d
	}
	u := &redis.UniversalOptions{
		Addrs: t.addrs, DB: o.DB, Username: o.Username, Password: o.Password,
		Protocol: o.Protocol, ClientName: o.ClientName, TLSConfig: o.TLSConfig,
		MaxRetries: o.MaxRetries, MinRetryBackoff: o.MinRetryBackoff, MaxRetryBackoff: o.MaxRetryBackoff,
		DialerRetries: 1, // commands are repeated anyway, and a caller's error should name the cause
		DialTimeout:   or(o.DialTimeout, 2*time.Second), ReadTimeout: or(o.ReadTimeout, 3*time.Second), WriteTimeout: or(o.WriteTimeout, 3*time.Second),
		PoolFIFO: o.PoolFIFO, PoolSize: o.PoolSize, PoolTimeout: o.PoolTimeout,
		MinIdleConns: o.MinIdleConns, MaxIdleConns: o.MaxIdleConns, MaxActiveConns: o.MaxActiveConns,
		ConnMaxIdleTime: o.ConnMaxIdleTime, ConnMaxLifetime: o.ConnMaxLifetime,
		MasterName: t.sentinelMaster, SentinelUsername: t.sentinelUser, SentinelPassword: t.sentinelPassword,
		ReadBufferSize: 16 << 10, WriteBufferSize: 16 << 10, PipelinePoolSize: -1, // one pool, 32 KiB each
		ContextTimeoutEnabled:    true, // a caller's deadline ends the wait
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if u.PoolSize == 0 {
		u.PoolSize = 64
	}
	if o.TLSConfig != nil && len(t.addrs) > 1 {
		// Each address is verified under its own name.
		u.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.TLSConfig.InsecureSkipVerify}
	}
	return u
}

func openRedis(ctx context.Context, o Options) (*Store, error) {
	t, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	s := &Store{Kind: "redis", prefix: o.Prefix, log: o.Log, user: t.options.Username, probing: make(chan struct{}, 1)}
	u := t.tuned()
	switch {
	case t.sentinelMaster != "":
		s.Kind = "sentinel"
	case len(t.addrs) > 1:
		if t.options.DB != 0 {
			return nil, errors.New("REDIS_URL: Redis Cluster has database 0 only; remove the /number")
		}
		s.Kind = "cluster"
	}
	s.Client = connect(s.Kind, u)
	if err := t.reach(ctx, s.Client, o); err != nil {
		_ = s.Client.Close()
		return nil, err
	}
	if s.Kind == "redis" && clustered(ctx, s.Client) {
		// One address of a cluster is enough to find the others.
		_ = s.Client.Close()
		s.Kind = "cluster"
		s.Client = connect(s.Kind, u)
		if err := t.reach(ctx, s.Client, o); err != nil {
			_ = s.Client.Close()
			return nil, err
		}
	}
	few := *u
	few.PoolSize, few.MinIdleConns, few.MaxIdleConns, few.MaxActiveConns = urgentPool, 1, 0, 0
	s.Urgent = connect(s.Kind, &few)
	s.advise(ctx, o)
	return s, nil
}

func connect(kind string, u *redis.UniversalOptions) redis.UniversalClient {
	switch kind {
	case "sentinel":
		return redis.NewFailoverClient(u.Failover())
	case "cluster":
		c := redis.NewClusterClient(u.Cluster())
		c.AddHook(movingHook{})
		return c
	}
	return redis.NewClient(u.Simple())
}

func clustered(ctx context.Context, c redis.UniversalClient) bool {
	info, err := c.Info(ctx, "cluster").Result()
	return err == nil && strings.Contains(info, "cluster_enabled:1")
}

// reach pings until the store answers, startWait at most.
func (t *target) reach(ctx context.Context, c redis.UniversalClient, o Options) error {
	deadline := time.Now().Add(startWait)
	for logged := false; ; {
		try, cancel := context.WithTimeout(ctx, startWait)
		err := c.Ping(try).Err()
		cancel()
		if err == nil {
			return nil
		}
		if hopeless(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return t.explain(err, o.Prefix)
		}
		if !logged {
			logged = true
			o.Log.InfoContext(ctx, "waiting for Redis", "addr", strings.Join(t.addrs, ","), "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// hopeless reports whether waiting will not help.
func hopeless(err error) bool {
	text := err.Error()
	for _, sign := range []string{"NOAUTH", "WRONGPASS", "NOPERM", "tls:", "x509:", "no such host", "cluster support disabled", "ERR AUTH", "invalid password", "ERR invalid DB"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func (t *target) explain(err error, prefix string) error {
	text, addrs := err.Error(), strings.Join(t.addrs, ", ")
	has := func(s string) bool { return strings.Contains(text, s) }
	advice := "is Redis running there, and may this machine reach it?"
	switch {
	case has("NOAUTH"):
		advice = "it wants a password: redis://:PASSWORD@host:port"
	case has("WRONGPASS") || has("invalid password") || has("ERR AUTH"):
		advice = "it refuses the user or password in REDIS_URL"
	case has("NOPERM"):
		advice = aclAdvice(t.options.Username, prefix)
	case has("first record does not look like a TLS"):
		advice = "it does not answer over TLS: write redis:// instead of rediss://"
	case has("x509:") || has("tls:"):
		advice = "its certificate is not accepted: install its CA on this machine, or add ?skip_verify=true where that is acceptable"
	case has("cluster support disabled"):
		advice = "REDIS_URL lists several addresses, which means Redis Cluster, and this is none: give one address, or add ?sentinel_master=NAME if these are Sentinels"
	case has("no such host"):
		advice = "the name cannot be resolved; check the spelling and DNS"
	case t.sentinelMaster != "":
		advice = fmt.Sprintf("do the Sentinels at these addresses know a master named %q, and may this machine reach it?", t.sentinelMaster)
	case t.options.TLSConfig != nil && (has("EOF") || has("timeout") || has("deadline exceeded")):
		advice = "it does not answer over TLS: if it does not use TLS, write redis:// instead of rediss://"
	case t.options.TLSConfig == nil && (has("EOF") || has("i/o timeout") || has("connection reset")):
		advice = "it accepts connections but does not answer as Redis does; if it wants TLS, use rediss://"
	}
	return fmt.Errorf("REDIS_URL: no working Redis at %s: %w; %s", addrs, err, advice)
}

// oldestRedis is the first major version that parley is tried with.
const oldestRedis = 6

func before(s, mark string) string {
	head, _, _ := strings.Cut(s, mark)
	return head
}

// advise warns of settings under which Redis loses what it was given. Where
// the server does not say (managed offers hide it), nothing is said.
func (s *Store) advise(ctx context.Context, o Options) {
	info, err := s.Client.Info(ctx).Result()
	if err != nil {
		return
	}
	value := func(name string) string {
		_, rest, _ := strings.Cut(info, "\n"+name+":")
		v, _, _ := strings.Cut(rest, "\r")
		return v
	}
	o.Log.InfoContext(ctx, "store opened", "kind", s.Kind, "redis_version", value("redis_version"))
	if major, err := strconv.Atoi(before(value("redis_version"), ".")); err == nil && major < oldestRedis {
		o.Log.WarnContext(ctx, "this Redis is older than parley is tried with: use Redis 6.0 or newer, or Valkey", "redis_version", value("redis_version"))
	}
	if policy := value("maxmemory_policy"); strings.HasPrefix(policy, "allkeys-") {
		o.Log.WarnContext(ctx, "this Redis may drop any key when memory is short: set maxmemory-policy noeviction", "maxmemory_policy", policy)
	}
	if value("aof_enabled") == "0" {
		o.Log.WarnContext(ctx, "this Redis keeps no append-only file: if it crashes, messages it had accepted are lost; set appendonly yes")
	}
}
