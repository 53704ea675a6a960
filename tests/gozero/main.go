// Runs go-zero's own shedder and breaker over events in virtual time, and prints each decision.
//
// Arguments: shedder or breaker. Events come one a line: "a NOW_NS VALUE" asks for admission, VALUE
// being the CPU in thousandths or the uniform draw; "s NOW_NS INDEX" ends the admitted request at
// INDEX well, "f NOW_NS INDEX" badly; it leaves the list, and the last one takes its place.
// build.sh puts time, CPU and randomness into its hands.
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"github.com/zeromicro/go-zero/core/breaker"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/core/mathx"
	"github.com/zeromicro/go-zero/core/stat"
	"github.com/zeromicro/go-zero/core/timex"
)

type ending struct{ good, bad func() }

func main() {
	logx.Disable()
	stat.SetReporter(nil)
	timex.Virtual = time.Second
	shedder := load.NewAdaptiveShedder(load.WithCpuThreshold(900))
	throttle := breaker.NewBreaker()
	ask := func(value float64) (*ending, bool) {
		if os.Args[1] == "shedder" {
			stat.Virtual = int64(value)
			promise, err := shedder.Allow()
			if err != nil {
				return nil, false
			}
			return &ending{promise.Pass, promise.Fail}, true
		}
		mathx.Virtual = value
		promise, err := throttle.Allow()
		if err != nil {
			return nil, false
		}
		return &ending{promise.Accept, func() { promise.Reject("") }}, true
	}

	in := bufio.NewReader(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	var running []*ending
	for {
		var kind string
		var now int64
		var value float64
		if _, err := fmt.Fscan(in, &kind, &now, &value); err != nil {
			return
		}
		timex.Virtual = time.Duration(now)
		if kind == "a" {
			admitted, ok := ask(value)
			if ok {
				running = append(running, admitted)
				out.WriteByte('1')
			} else {
				out.WriteByte('0')
			}
			continue
		}
		index, last := int(value), len(running)-1
		if kind == "s" {
			running[index].good()
		} else {
			running[index].bad()
		}
		running[index] = running[last]
		running = running[:last]
	}
}
