// Which networks a provider's endpoint may be in. The check uses the address
// that is dialed, so neither DNS rebinding nor odd notations get around it.

package provider

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/net/idna"
)

// Networks says which addresses may be dialed: PROVIDER_NETWORKS. The zero
// value is "public,private". Cloud-metadata, link-local, multicast and
// unspecified addresses are never allowed, not even embedded in an IPv6
// address.
type Networks struct {
	set                       bool
	public, private, loopback bool
	prefixes                  []netip.Prefix
}

// ParseNetworks parses a comma-separated list of the words public, private and
// loopback, and of CIDRs or addresses. An empty list is the default: public
// and private, plus loopback if loopbackDefault is set.
func ParseNetworks(s string, loopbackDefault bool) (Networks, error) {
	n := Networks{set: true}
	for word := range strings.SplitSeq(s, ",") {
		word = strings.TrimSpace(word)
		switch strings.ToLower(word) {
		case "":
		case "public":
			n.public = true
		case "private":
			n.private = true
		case "loopback":
			n.loopback = true
		default:
			prefix, err := parsePrefix(word)
			if err != nil {
				return Networks{}, fmt.Errorf("PROVIDER_NETWORKS: %q is neither public, private or loopback nor a CIDR such as 10.1.0.0/16", word)
			}
			n.prefixes = append(n.prefixes, prefix)
		}
	}
	if !n.public && !n.private && !n.loopback && len(n.prefixes) == 0 {
		n.public, n.private, n.loopback = true, true, loopbackDefault
	}
	return n, nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// String is the setting in the syntax of PROVIDER_NETWORKS.
func (n Networks) String() string {
	n = n.orDefault()
	var words []string
	for _, w := range []struct {
		on   bool
		word string
	}{{n.public, "public"}, {n.private, "private"}, {n.loopback, "loopback"}} {
		if w.on {
			words = append(words, w.word)
		}
	}
	for _, p := range n.prefixes {
		words = append(words, p.String())
	}
	return strings.Join(words, ",")
}

func (n Networks) orDefault() Networks {
	if !n.set {
		n.public, n.private = true, true
	}
	return n
}

// BlockedError means that an address may not be dialed.
type BlockedError struct {
	Addr  netip.Addr
	Class string // "loopback", "private", "public", "reserved"; "metadata", "link-local", … for those never allowed
	Never bool   // no setting can allow it
}

func (e *BlockedError) Error() string {
	if e.Never {
		return fmt.Sprintf("%s is a %s address; PROVIDER_NETWORKS can allow no such address", e.Addr, e.Class)
	}
	word := e.Class
	if word == "reserved" {
		word = e.Addr.String()
	}
	return fmt.Sprintf("%s is a %s address; PROVIDER_NETWORKS does not hold %q", e.Addr, e.Class, word)
}

// Check returns a *BlockedError if addr may not be dialed.
func (n Networks) Check(addr netip.Addr) error {
	addr = addr.WithZone("").Unmap()
	if why := never(addr); why != "" {
		return &BlockedError{Addr: addr, Class: why, Never: true}
	}
	if n.holds(addr) {
		return n.checkEmbedded(addr, true)
	}
	if len(embedded(addr)) > 0 {
		return n.checkEmbedded(addr, false)
	}
	if class := classOf(addr); !n.allows(class) {
		return &BlockedError{Addr: addr, Class: class}
	}
	return nil
}

// checkEmbedded checks the IPv4 addresses that an IPv6 address may stand for.
// With named, the setting lists the IPv6 address itself, so only addresses
// that are never allowed count.
func (n Networks) checkEmbedded(addr netip.Addr, named bool) error {
	for _, inner := range embedded(addr) {
		if why := never(inner); why != "" {
			return &BlockedError{Addr: addr, Class: why, Never: true}
		}
		if class := classOf(inner); !named && !n.holds(inner) && !n.allows(class) {
			return &BlockedError{Addr: addr, Class: class}
		}
	}
	return nil
}

// holds reports whether the setting has a CIDR that contains addr.
func (n Networks) holds(addr netip.Addr) bool {
	return slices.ContainsFunc(n.prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// allows reports whether the setting has the word for a class.
func (n Networks) allows(class string) bool {
	n = n.orDefault()
	return class == "public" && n.public || class == "private" && n.private || class == "loopback" && n.loopback
}

// Control is for net.Dialer's ControlContext: it checks the resolved address
// just before the connection is made.
func (n Networks) Control(_ context.Context, _, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return fmt.Errorf("dial %s: %w", address, err)
	}
	return n.Check(addr)
}

// CheckName checks a host that is a number in an old notation, such as
// 2852039166 or 0xa9.254.0251.0376: a program that reads it as an address must
// not reach a forbidden one. Other names are left to the resolver.
func (n Networks) CheckName(host string) error {
	if addr, ok := numeric(host); ok {
		return n.Check(addr)
	}
	return nil
}

// metadataNames are the names of metadata services.
var metadataNames = []string{"metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}

// neverHost says why a host that is an address in any notation, or the name of
// a metadata service, can never be dialed. It returns "" for allowed addresses
// and for other names.
func neverHost(host string) string {
	if ascii, err := idna.Lookup.ToASCII(host); err == nil { // like Go's HTTP client
		host = ascii
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if slices.Contains(metadataNames, host) {
		return host + " is a cloud-metadata service; PROVIDER_NETWORKS can allow no such address"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		var ok bool
		if addr, ok = numeric(host); !ok {
			return ""
		}
	}
	if blocked, ok := errors.AsType[*BlockedError]((Networks{}).Check(addr)); ok && blocked.Never {
		return blocked.Error()
	}
	return ""
}

// numeric parses an IPv4 address like inet_aton: one to four numbers, decimal,
// octal or hexadecimal; the last fills the remaining bytes.
func numeric(host string) (netip.Addr, bool) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var whole uint64
	for i, part := range parts {
		last := i == len(parts)-1
		bits := 8
		if last {
			bits = 8 * (5 - len(parts))
		}
		if low := strings.ToLower(part); strings.HasPrefix(low, "0b") || strings.HasPrefix(low, "0o") || strings.Contains(low, "_") {
			return netip.Addr{}, false // Go's own notations
		}
		v, err := strconv.ParseUint(part, 0, bits)
		if err != nil {
			return netip.Addr{}, false
		}
		whole = whole<<bits | v
	}
	return netip.AddrFrom4([4]byte{byte(whole >> 24), byte(whole >> 16), byte(whole >> 8), byte(whole)}), true
}

// prefixTable names address ranges; the first that contains an address decides.
type prefixTable []struct {
	name     string
	prefixes []netip.Prefix
}

func (t prefixTable) find(addr netip.Addr) string {
	for _, row := range t {
		for _, p := range row.prefixes {
			if p.Contains(addr) {
				return row.name
			}
		}
	}
	return ""
}

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = netip.MustParsePrefix(s)
	}
	return out
}

// neverTable holds addresses that no setting can allow. Metadata services:
// AWS, Azure, GCP, Oracle and most others use link-local IPv4; the rest are
// listed.
var neverTable = prefixTable{
	{"cloud-metadata", prefixes(
		"169.254.169.254/32", "169.254.170.2/32", // AWS, GCP, Azure, …; ECS tasks
		"100.100.100.200/32", // Alibaba Cloud
		"168.63.129.16/32",   // Azure's host service
		"192.0.0.192/32",     // Oracle Cloud, classic
		"fd00:ec2::/32",      // AWS over IPv6: ::254 metadata, ::253 DNS, ::23 pod identity
		"fd20:ce::254/128",   // GCP over IPv6
		"fd00:42::42/128",    // Scaleway over IPv6
		"fd00:a9fe::/32",     // Oracle Cloud and others over IPv6 (a9fe is 169.254)
	)},
	{"link-local", prefixes("169.254.0.0/16", "fe80::/10", "fec0::/10")},
	{"multicast", prefixes("224.0.0.0/4", "ff00::/8")},
	{"unspecified", prefixes("0.0.0.0/8", "::/128", "255.255.255.255/32")},
}

func never(addr netip.Addr) string { return neverTable.find(addr) }

var classTable = prefixTable{
	{"loopback", prefixes("127.0.0.0/8", "::1/128")},
	{"private", prefixes("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "fc00::/7")},
	{"reserved", prefixes("192.0.0.0/24", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001:db8::/32", "100::/64", "3fff::/20", "5f00::/16")},
}

func classOf(addr netip.Addr) string {
	if class := classTable.find(addr); class != "" {
		return class
	}
	return "public"
}

// translations are the IPv6 ranges that stand for IPv4 addresses, and the
// offset of the four bytes: RFC 6052 (NAT64), 8215 (local NAT64, with any of
// four prefix lengths), 2765 (SIIT), 3056 (6to4), 4291 (compatible).
var translations = []struct {
	prefix netip.Prefix
	at     [][4]int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), [][4]int{{12, 13, 14, 15}}},
	{netip.MustParsePrefix("64:ff9b:1::/48"), [][4]int{{6, 7, 9, 10}, {7, 9, 10, 11}, {9, 10, 11, 12}, {12, 13, 14, 15}}},
	{netip.MustParsePrefix("::ffff:0:0:0/96"), [][4]int{{12, 13, 14, 15}}},
	{netip.MustParsePrefix("2002::/16"), [][4]int{{2, 3, 4, 5}}},
	{netip.MustParsePrefix("::/96"), [][4]int{{12, 13, 14, 15}}},
}

var teredo = netip.MustParsePrefix("2001::/32") // RFC 4380: the client's address, inverted

// embedded returns the IPv4 addresses that an IPv6 address stands for.
func embedded(addr netip.Addr) []netip.Addr {
	if addr.Is4() || addr == netip.IPv6Loopback() || addr == netip.IPv6Unspecified() {
		return nil
	}
	b := addr.As16()
	var out []netip.Addr
	for _, t := range translations {
		if !t.prefix.Contains(addr) {
			continue
		}
		for _, at := range t.at {
			inner := netip.AddrFrom4([4]byte{b[at[0]], b[at[1]], b[at[2]], b[at[3]]})
			if len(t.at) == 1 || b[at[0]] != 0 { // with several possible offsets, ignore empty ones
				out = append(out, inner)
			}
		}
	}
	if teredo.Contains(addr) {
		out = append(out, netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	if isatap := [4]byte(b[8:12]); isatap == [4]byte{0, 0, 0x5e, 0xfe} || isatap == [4]byte{2, 0, 0x5e, 0xfe} { // RFC 5214
		out = append(out, netip.AddrFrom4([4]byte(b[12:16])))
	}
	return out
}
