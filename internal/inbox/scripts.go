// The scripts: each is one atomic step on one scope. Their arguments decide
// everything; they read no clock and choose nothing at random.

package inbox

import (
	_ "embed" // the scripts

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed scripts/holds.lua
	holdsLua string // a function that others begin with
	//go:embed scripts/put.lua
	putLua string
	//go:embed scripts/acquire.lua
	acquireLua string
	//go:embed scripts/renew.lua
	renewLua string
	//go:embed scripts/release.lua
	releaseLua string
	//go:embed scripts/begin.lua
	beginLua string
	//go:embed scripts/record.lua
	recordLua string
	//go:embed scripts/close.lua
	closeLua string
	//go:embed scripts/setaside.lua
	setAsideLua string
	//go:embed scripts/withdraw.lua
	withdrawLua string
	//go:embed scripts/drop.lua
	dropLua string
	//go:embed scripts/sweep.lua
	sweepLua string
	//go:embed scripts/stop.lua
	stopLua string
)

type scripts struct {
	put, acquire, renew, release, begin, record, close, setAside, withdraw, drop, sweep, stop *redis.Script
}

func newScripts() scripts {
	return scripts{
		put:      redis.NewScript(putLua),
		acquire:  redis.NewScript(acquireLua),
		renew:    redis.NewScript(renewLua),
		release:  redis.NewScript(releaseLua),
		begin:    redis.NewScript(beginLua),
		record:   redis.NewScript(holdsLua + recordLua),
		close:    redis.NewScript(holdsLua + closeLua),
		setAside: redis.NewScript(holdsLua + setAsideLua),
		withdraw: redis.NewScript(withdrawLua),
		drop:     redis.NewScript(holdsLua + dropLua),
		sweep:    redis.NewScript(sweepLua),
		stop:     redis.NewScript(stopLua),
	}
}
