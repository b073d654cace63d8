// Package deploy holds the files a parley is started with; this test reads them
// as Docker, Compose and systemd would, because those are not at hand everywhere.
package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"parley/internal/config"
)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

type service struct {
	Build struct{ Context, Dockerfile string }
	Image string

	EnvFile     string `yaml:"env_file"`
	Environment map[string]string
	Command     []string
	Volumes     []string
	ExtraHosts  []string `yaml:"extra_hosts"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	StopGrace   string   `yaml:"stop_grace_period"`
	Restart     string
	Ports       []string
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
}

func compose(t *testing.T) map[string]service {
	t.Helper()
	var file struct {
		Name     string
		Services map[string]service
		Volumes  map[string]any
	}
	d := yaml.NewDecoder(strings.NewReader(read(t, "compose.yaml")))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if _, ok := file.Volumes[source]; !ok {
				t.Errorf("%s mounts %s, which is not declared", name, source)
			}
		}
	}
	return file.Services
}

func TestComposeRunsParleyBesideADurableRedis(t *testing.T) {
	services := compose(t)
	parley, redis := services["parley"], services["redis"]
	if !parley.ReadOnly || !slices.Contains(parley.CapDrop, "ALL") || !slices.Contains(parley.SecurityOpt, "no-new-privileges:true") {
		t.Error("parley runs with more rights than it needs")
	}
	if !slices.Contains(parley.ExtraHosts, "host.docker.internal:host-gateway") {
		t.Error("a model server on this machine cannot be reached")
	}
	if parley.EnvFile != ".env" || parley.Environment["REDIS_URL"] != "redis://redis:6379" {
		t.Errorf("%+v", parley)
	}
	if parley.DependsOn["redis"].Condition != "service_healthy" || len(redis.Healthcheck.Test) == 0 {
		t.Error("parley does not wait for Redis")
	}
	if !strings.Contains(strings.Join(redis.Command, " "), "--appendonly yes") {
		t.Error("Redis forgets everything when it is restarted")
	}
	for _, p := range parley.Ports {
		if !strings.HasPrefix(p, "127.0.0.1:") {
			t.Errorf("port %s is open to other machines", p)
		}
	}
	if _, err := os.Stat(filepath.Join(parley.Build.Context, parley.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
}

// What compose and the image set must be settings that exist and hold together.
func TestTheSettingsOfTheContainerAreValid(t *testing.T) {
	environ := []string{"ADMIN_TOKEN=" + strings.Repeat("t", 16), "MASTER_KEYS=k:" + strings.Repeat("A", 43) + "="}
	for name, value := range compose(t)["parley"].Environment {
		environ = append(environ, name+"="+value)
	}
	example := read(t, "../.env.example")
	image := regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(read(t, "Dockerfile"))
	if image == nil {
		t.Fatal("no ENV in the Dockerfile")
	}
	for pair := range strings.FieldsSeq(image[1]) {
		environ = append(environ, pair)
	}
	for _, pair := range environ {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.Contains(example, "\n"+name+"=") {
			t.Errorf("%s is no setting", name)
		}
	}
	e, err := config.ReadEnvironment(environ, "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(e)
	if err != nil {
		t.Error(err)
	}
	if c.Loopback() {
		t.Error("a container that listens on its own loopback cannot be reached")
	}
}

func TestTheImageIsSmallAndUnprivileged(t *testing.T) {
	file := read(t, "Dockerfile")
	for _, want := range []string{"CGO_ENABLED=0", "USER 65532", "VOLUME /data", "EXPOSE 7070", `["/usr/local/bin/parley", "health"]`, `CMD ["serve"]`} {
		if !strings.Contains(file, want) {
			t.Errorf("no %s", want)
		}
	}
	needed := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if !strings.Contains(file, "FROM golang:"+needed) {
		t.Errorf("go.mod needs Go %s", needed)
	}
	ignored := read(t, "Dockerfile.dockerignore")
	for _, copied := range regexp.MustCompile(`(?m)^COPY ([a-z]+) `).FindAllStringSubmatch(file, -1) {
		if !strings.Contains(ignored, "\n!"+copied[1]+"\n") {
			t.Errorf("%s is copied and ignored", copied[1])
		}
	}
	if !strings.Contains(ignored, "\n*\n") || !strings.Contains(ignored, "\n**/.env\n") {
		t.Error("secrets could get into the image")
	}
}

// Stopping must leave the server its grace, which is 25 s unless set.
func TestStoppingLeavesTheGrace(t *testing.T) {
	if s := compose(t)["parley"].StopGrace; s != "40s" {
		t.Errorf("compose: %q", s)
	}
	unit := read(t, "parley.service")
	for _, want := range []string{"TimeoutStopSec=40\n", "DynamicUser=yes\n", "ProtectSystem=strict\n", "NoNewPrivileges=yes\n", "StateDirectory=parley\n", "ExecStart=/usr/local/bin/parley serve\n"} {
		if !strings.Contains(unit, want) {
			t.Errorf("unit: no %s", want)
		}
	}
}

func TestComposeSecretsAreGeneratedOnce(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"deploy/make", "bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := filepath.Join(root, "deploy/make/compose.sh")
	if err := os.WriteFile(script, []byte(read(t, "make/compose.sh")), 0o755); err != nil {
		t.Fatal(err)
	}
	// A docker that notes what it was asked.
	docker := "#!/bin/sh\necho \"$@\" >>" + filepath.Join(root, "asked") + "\n"
	if err := os.WriteFile(filepath.Join(root, "bin/docker"), []byte(docker), 0o755); err != nil {
		t.Fatal(err)
	}
	run := func() string {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", script)
		cmd.Env = []string{"PATH=" + filepath.Join(root, "bin") + ":" + os.Getenv("PATH")}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	out := run()
	env := filepath.Join(root, "deploy/.env")
	first := read(t, env)
	info, err := os.Stat(env)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the secrets: %s", info.Mode())
	}
	e, err := config.ReadEnvironment([]string{"HTTP_ADDR=:7070", "REDIS_URL=redis://redis:6379"}, env)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(e)
	if err != nil {
		t.Errorf("what was generated is not valid: %v", err)
	}
	if len(c.AdminToken.Reveal()) < 32 || !c.PlaygroundServed() {
		t.Errorf("token of %d characters, playground %v", len(c.AdminToken.Reveal()), c.PlaygroundServed())
	}
	if strings.Contains(out, c.AdminToken.Reveal()) {
		t.Error("the token was printed")
	}
	run()
	if read(t, env) != first {
		t.Error("a second run changed the file")
	}
	// What a person set stays; what they left out is added.
	if err := os.WriteFile(env, []byte("ADMIN_TOKEN=mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run()
	if got := read(t, env); !regexp.MustCompile(`^ADMIN_TOKEN=mine\nMASTER_KEYS=k1:\S{44}\n$`).MatchString(got) {
		t.Errorf("got %s", fmt.Sprint(len(got)))
	}
	if asked := read(t, filepath.Join(root, "asked")); !strings.Contains(asked, "compose -f compose.yaml up --build --detach") {
		t.Errorf("docker was asked:\n%s", asked)
	}
}

func TestTheScriptsAreThereAndParse(t *testing.T) {
	scripts, err := filepath.Glob("make/*.sh")
	if err != nil {
		t.Fatal(err)
	}
	used := read(t, "../Makefile")
	for _, s := range append(scripts, "../.ci/run") {
		info, err := os.Stat(s)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode()&0o111 == 0 {
			t.Errorf("%s is not executable", s)
		}
		shell := "sh"
		if strings.HasPrefix(read(t, s), "#!/usr/bin/env bash") {
			shell = "bash"
		} else if !strings.Contains(used, "deploy/"+s) {
			t.Errorf("the Makefile does not use %s", s)
		}
		if out, err := exec.CommandContext(t.Context(), shell, "-n", s).CombinedOutput(); err != nil {
			t.Errorf("%s: %s", s, out)
		}
	}
	if !strings.Contains(read(t, "../.ci/run"), "exec make test\n") {
		t.Error(".ci/run does not call make test")
	}
}

func TestThePagesPointToWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)\)`)
	for _, page := range []string{"README.md", "ARCHITECTURE.md", "CHANGELOG.md"} {
		for _, m := range link.FindAllStringSubmatch(read(t, "../"+page), -1) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s: %v", page, err)
			}
		}
	}
}
