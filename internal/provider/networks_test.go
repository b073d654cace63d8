package provider

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func networks(t *testing.T, s string, loopback bool) Networks {
	t.Helper()
	n, err := ParseNetworks(s, loopback)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMetadataAndLinkLocalAreRefusedInEveryNotation(t *testing.T) {
	open := networks(t, "public,private,loopback,0.0.0.0/0,::/0", true)
	for _, a := range []string{
		"169.254.169.254", "169.254.0.1", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192",
		"::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254", "::ffff:0:169.254.169.254",
		"64:ff9b::169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::169.254.169.254", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b::6464:64c8",
		"2002:a9fe:a9fe::1", "2001:0:1:2:3:4:5601:5601", "2001:db8::5efe:169.254.169.254", "2001:db8::200:5efe:a9fe:a9fe",
		"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::1", "fe80::1%eth0", "fe80::a9fe:a9fe", "fec0::1",
		"0.0.0.0", "::", "0.1.2.3", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255",
	} {
		err := open.Check(netip.MustParseAddr(a))
		blocked, ok := errors.AsType[*BlockedError](err)
		if !ok || !blocked.Never || !strings.Contains(err.Error(), "PROVIDER_NETWORKS") {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestNetworksAllowWhatTheSettingSays(t *testing.T) {
	for _, c := range []struct {
		setting, addr string
		loopback, ok  bool
	}{
		{"", "8.8.8.8", false, true}, {"", "10.1.2.3", false, true}, {"", "127.0.0.1", false, false}, {"", "127.0.0.1", true, true}, {"", "::1", true, true},
		{"", "::1", false, false}, {"", "::ffff:127.0.0.1", false, false}, {"", "64:ff9b::127.0.0.1", false, false}, {"", "2002:7f00:1::", false, false},
		{"public", "10.1.2.3", true, false}, {"public", "::ffff:10.1.2.3", true, false}, {"public", "64:ff9b::10.1.2.3", true, false}, {"public", "64:ff9b::8.8.8.8", true, true}, {"public", "64:ff9b:1::8.8.8.8", true, true}, {"public", "64:ff9b:1:808:8:800::", true, true},
		{"public", "64:ff9b:1::10.0.0.1", true, false}, {"public", "64:ff9b:1:a00:0:100::", true, false}, {"64:ff9b:1::/48", "64:ff9b:1::10.0.0.1", true, true},
		{"public", "2606:4700::1111", false, true}, {"private", "8.8.8.8", false, false}, {"private", "fd12::1", false, true}, {"private", "100.64.0.1", false, true},
		{"10.1.0.0/16", "10.1.2.3", true, true}, {"10.1.0.0/16", "10.2.0.1", true, false}, {"10.1.0.0/16", "127.0.0.1", true, false}, {"10.1.0.0/16", "::ffff:10.1.2.3", false, true},
		{"192.0.2.7", "192.0.2.7", false, true}, {"public,private", "192.0.2.7", false, false}, {"loopback", "127.9.9.9", false, true}, {" Public , LOOPBACK ", "127.0.0.1", false, true},
	} {
		err := networks(t, c.setting, c.loopback).Check(netip.MustParseAddr(c.addr))
		if (err == nil) != c.ok {
			t.Errorf("%q (loopback default %v) and %s: %v", c.setting, c.loopback, c.addr, err)
		}
	}
	if (Networks{}).Check(netip.MustParseAddr("10.0.0.1")) != nil || (Networks{}).Check(netip.MustParseAddr("127.0.0.1")) == nil {
		t.Error("the zero value must be public,private")
	}
	if _, err := ParseNetworks("public,intranet", false); err == nil || !strings.Contains(err.Error(), `"intranet"`) {
		t.Errorf("unknown word: %v", err)
	}
}

func TestNumbersOfOldAreReadAsTheAddressesTheyAre(t *testing.T) {
	n := networks(t, "public,private", true)
	for _, host := range []string{"0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "0xA9.254.43518", "169.254.169.254.", "169.0xfea9fe", "0", "127.1"} {
		if err := n.CheckName(host); err == nil || !strings.Contains(err.Error(), "PROVIDER_NETWORKS") {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"models.corp", "8.8.8.8", "134744072", "0b1", "1_0", "08.1.1.1", "1.2.3.4.5", "a9", "", "."} {
		if err := n.CheckName(host); err != nil {
			t.Errorf("%q: %v", host, err)
		}
	}
}
