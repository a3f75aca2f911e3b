package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// costRounds is how often each kind of write is measured. The median counts.
	costRounds = 3
	// costWrites is how many times the events of a turn each kind is.
	costWrites = 5
	// idleFor is how long the processes are watched at rest, and how long what follows from a write
	// is waited for: statuses are behind by less when the last event is stored.
	idleFor = 2 * time.Second
)

// cpuTime is the CPU time, of user and system, that each process has taken.
type cpuTime struct {
	apiServer, etcd, operator, load float64 // in seconds
	garbage                         garbage // of the API server
}

func (c cpuTime) since(before cpuTime) cpuTime {
	return cpuTime{c.apiServer - before.apiServer, c.etcd - before.etcd, c.operator - before.operator, c.load - before.load, c.garbage.since(before.garbage)}
}

// garbage is what a process has allocated, and what its garbage collector has taken of its CPU time
// for that. With many objects stored the API server's runs once for hundreds of writes, and takes
// more than a second then: which of them it runs for is chance, so each has the part of it that
// belongs to what was allocated for it.
type garbage struct{ allocated, collecting float64 } // in bytes, seconds

func (g garbage) since(before garbage) garbage {
	return garbage{g.allocated - before.allocated, g.collecting - before.collecting}
}

// garbageOf reads the garbage of the API server, which costs it some CPU time.
func (b *bench) garbageOf(ctx context.Context) (garbage, error) {
	const allocated, collecting = "go_gc_heap_allocs_bytes_total", "go_cpu_classes_gc_total_cpu_seconds_total"
	families, err := scrape(ctx, b.Config, b.Config.Host+"/metrics", allocated, collecting)
	if err != nil {
		return garbage{}, err
	}
	for _, name := range []string{allocated, collecting} {
		if len(families[name].GetMetric()) != 1 {
			return garbage{}, fmt.Errorf("the API server has no metric %s", name)
		}
	}
	return garbage{families[allocated].GetMetric()[0].GetCounter().GetValue(), families[collecting].GetMetric()[0].GetCounter().GetValue()}, nil
}

// cpuOf reads what the kernel has counted. It costs the processes nothing, unlike their metrics.
func (b *bench) cpuOf() (c cpuTime, err error) {
	for pid, time := range map[int]*float64{
		b.APIServer.PID(): &c.apiServer, b.Etcd.PID(): &c.etcd, b.wholeOperator.PID(): &c.operator, os.Getpid(): &c.load,
	} {
		process, err := procfs.NewProc(pid)
		if err != nil {
			return c, fmt.Errorf("the CPU time of process %d: %w", pid, err)
		}
		stat, err := process.Stat()
		if err != nil {
			return c, fmt.Errorf("the CPU time of process %d: %w", pid, err)
		}
		*time = stat.CPUTime()
	}
	return c, nil
}

// spent is what do makes each process spend, what follows from it included, less what they spend
// anyway. The API server's is without that of its garbage collector.
func (b *bench) spent(ctx context.Context, do func() error) (cpuTime, error) {
	rest := func() error { return pause(ctx, idleFor) }
	if err := rest(); err != nil { // for what was done before
		return cpuTime{}, err
	}
	idle, idling, err := b.during(rest)
	if err != nil {
		return cpuTime{}, err
	}
	before, err := b.garbageOf(ctx)
	if err != nil {
		return cpuTime{}, err
	}
	all, working, err := b.during(func() error {
		if err := do(); err != nil {
			return err
		}
		return rest()
	})
	if err != nil {
		return cpuTime{}, err
	}
	after, err := b.garbageOf(ctx)
	if err != nil {
		return cpuTime{}, err
	}
	ratio, collected := working.Seconds()/idling.Seconds(), after.since(before)
	return cpuTime{
		all.apiServer - idle.apiServer*ratio - collected.collecting, all.etcd - idle.etcd*ratio,
		all.operator - idle.operator*ratio, all.load - idle.load*ratio, collected,
	}, nil
}

// during is what each process spends while do runs, and for how long that is.
func (b *bench) during(do func() error) (cpuTime, time.Duration, error) {
	begin := time.Now()
	before, err := b.cpuOf()
	if err != nil {
		return cpuTime{}, 0, err
	}
	if err := do(); err != nil {
		return cpuTime{}, 0, err
	}
	took := time.Since(begin)
	after, err := b.cpuOf()
	return after.since(before), took, err
}

// withCollector adds to the CPU time of the API server that of its garbage collector, by what was
// allocated.
func withCollector(perByte float64, all []cpuTime) {
	for i := range all {
		all[i].apiServer += perByte * all[i].garbage.allocated
	}
}

// cost compares by CPU time, which a busy machine hardly moves, what one write takes: of a
// ConfigMap, plainly of a meeting of the same bytes, and of an event of a known meeting through the
// operator, its record and its status.
func (b *bench) cost(ctx context.Context) error {
	var configMap, direct, settled []cpuTime
	bytes := 0
	before, err := b.garbageOf(ctx)
	if err != nil {
		return err
	}
	for range costRounds {
		meetings := b.meetings(costWrites * b.size.events)
		objects, _, err := b.plain.create(ctx, meetings.created)
		if err != nil {
			return err
		}
		c, err := b.spent(ctx, func() error {
			_, err := b.plain.update(ctx, objects, meetings.updated)
			return err
		})
		if err != nil {
			return err
		}
		direct = append(direct, c)
		raw, err := json.Marshal(objects[0])
		if err != nil {
			return fmt.Errorf("encoding a meeting: %w", err)
		}
		bytes = len(raw)
		if err := b.clear(ctx, b.plain.in.Namespace, meetings); err != nil {
			return err
		}
		if c, err = b.configMaps(ctx, bytes); err != nil {
			return err
		}
		configMap = append(configMap, c)

		meetings = b.meetings(costWrites * b.size.events)
		if _, _, err := b.whole.store(ctx, meetings.created, concurrency); err != nil {
			return err
		}
		if _, err := atRest(ctx, b.Config); err != nil {
			return err
		}
		if c, err = b.spent(ctx, func() error {
			_, _, err := b.whole.store(ctx, meetings.updated, concurrency)
			return err
		}); err != nil {
			return err
		}
		settled = append(settled, c)
		if err := b.clear(ctx, whole, meetings); err != nil {
			return err
		}
	}
	after, err := b.garbageOf(ctx)
	if err != nil {
		return err
	}
	all := after.since(before)
	for _, kind := range [][]cpuTime{configMap, direct, settled} {
		withCollector(all.collecting/all.allocated, kind)
	}
	b.table.info("garbage collector of the API server", "%.2f ms for each MiB allocated", all.collecting*1000/(all.allocated/(1<<20)))
	b.costs(fmt.Sprintf("CPU of a ConfigMap update, %d bytes", bytes), configMap)
	b.costs("CPU of a plain update of a meeting", direct)
	b.costs("CPU of an event, record and status", settled)
	apiServer := func(c cpuTime) float64 { return c.apiServer }
	total := func(c cpuTime) float64 { return c.apiServer + c.etcd + c.operator + c.load }
	b.table.atMost("  API server, times a ConfigMap update", b.median(settled, apiServer)/b.median(configMap, apiServer), 4.5)
	b.table.atMost("  the whole system, times a plain update of a meeting", b.median(settled, total)/b.median(direct, total), 2.2)
	operator, client := func(c cpuTime) float64 { return c.operator }, func(c cpuTime) float64 { return c.load }
	b.table.atMost("  operator, times a plain client", b.median(settled, operator)/b.median(direct, client), 1.3)
	return nil
}

// configMaps updates as many ConfigMaps as there are events of each kind, of so many bytes.
func (b *bench) configMaps(ctx context.Context, bytes int) (cpuTime, error) {
	maps := make([]*corev1.ConfigMap, costWrites*b.size.events)
	text := strings.Repeat("0", bytes)
	if _, err := parallel(len(maps), concurrency, func(i int) error {
		maps[i] = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: plainly, GenerateName: "bench-"}, Data: map[string]string{"text": text}}
		return b.Client.Create(ctx, maps[i])
	}); err != nil {
		return cpuTime{}, err
	}
	c, err := b.spent(ctx, func() error {
		_, err := parallel(len(maps), concurrency, func(i int) error {
			maps[i].Data["text"] = "1" + text[1:]
			return b.Client.Update(ctx, maps[i])
		})
		return err
	})
	if err != nil {
		return cpuTime{}, err
	}
	_, err = parallel(len(maps), concurrency, func(i int) error { return b.Client.Delete(ctx, maps[i]) })
	return c, err
}

// costs adds what one write takes of each process; the client is the sender, too.
func (b *bench) costs(what string, all []cpuTime) {
	b.table.info(what, "API server %.2f, etcd %.2f, operator %.2f, client %.2f ms",
		b.median(all, func(c cpuTime) float64 { return c.apiServer }), b.median(all, func(c cpuTime) float64 { return c.etcd }),
		b.median(all, func(c cpuTime) float64 { return c.operator }), b.median(all, func(c cpuTime) float64 { return c.load }))
}

// median is that of one process, in milliseconds for each write.
func (b *bench) median(all []cpuTime, of func(cpuTime) float64) float64 {
	values := make([]float64, len(all))
	for i, c := range all {
		values[i] = of(c) * 1000 / float64(costWrites*b.size.events)
	}
	return median(values)
}
