// What a store's refusals mean for the operator.

package store

import (
	"fmt"
	"strings"
)

// explain adds to a refusal of Redis what the operator can do about it.
func (s *Store) explain(err error) error {
	if advice := s.advice(err); advice != "" {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return err
}

func (s *Store) advice(err error) string {
	if err == nil || s.embedded != nil {
		return ""
	}
	is := func(sign string) bool { return strings.Contains(err.Error(), sign) }
	switch {
	case is("NOPERM"):
		return aclAdvice(s.user, s.prefix)
	case is("OOM "):
		return "this Redis has reached its maxmemory and takes no writes: raise maxmemory, or free memory in it"
	case is("MISCONF"):
		return "this Redis cannot save to its disk and takes no writes: look at its log, and free disk space"
	case is("READONLY"):
		return "this Redis is a replica and takes no writes: give REDIS_URL the primary's address, or Sentinel's with ?sentinel_master=NAME"
	case is("NOREPLICAS"):
		return "this Redis has fewer replicas than its min-replicas-to-write asks for and takes no writes"
	}
	return ""
}

// aclAdvice names the rights that are missing, by the variables that decide.
func aclAdvice(user, prefix string) string {
	if user == "" {
		user = "default"
	}
	return fmt.Sprintf("the ACL of the user %q in REDIS_URL does not let parley do that: under REDIS_PREFIX=%s it needs the keys ~%s:* and the channels &%s:*, and the commands +@all -@dangerous +info", user, prefix, prefix, prefix)
}
