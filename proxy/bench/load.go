// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// loadPlan is what one run of the load generator does.
type loadPlan struct {
	Addr string
	// Requests are whole HTTP/1.1 requests. Each has a connection of its own, over which it is sent again and again, the next
	// as soon as the answer to the last is there (a closed loop).
	Requests []string
	// Status is what every answer must have. Another one ends the run with an error.
	Status int
	// WarmUp comes before what is measured.
	WarmUp, Measured time.Duration
	// PID is the server's process, whose CPU time is read at both ends of what is measured.
	PID int
}

// loadResult is what was seen.
type loadResult struct {
	// Answered counts the measured answers; All those of the warm-up too.
	Answered, All int
	Elapsed       time.Duration
	// ServerCPU is the user and system time of the server's process.
	ServerCPU time.Duration
	P50, P99  time.Duration
}

func (r loadResult) perSecond() float64 { return float64(r.Answered) / r.Elapsed.Seconds() }

// cpuPerRequest is in microseconds.
func (r loadResult) cpuPerRequest() float64 {
	return float64(r.ServerCPU.Microseconds()) / float64(r.Answered)
}

// busy is how much of one core the server used, 0 to 1.
func (r loadResult) busy() float64 { return r.ServerCPU.Seconds() / r.Elapsed.Seconds() }

// runLoad is the load generator's process: a plan in, a result out.
func runLoad(ctx context.Context, in io.Reader, out io.Writer) error {
	var plan loadPlan
	if err := json.NewDecoder(in).Decode(&plan); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	result, err := load(ctx, plan)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(result)
}

// load carries the plan out. It writes prepared bytes and reads no more of an answer than it must to find the end and the
// status: a client that costs more than the server would measure itself.
func load(ctx context.Context, plan loadPlan) (loadResult, error) {
	ctx, cancel := context.WithTimeout(ctx, plan.WarmUp+plan.Measured+10*time.Second)
	defer cancel()
	clients := make([]*client, len(plan.Requests))
	for i, request := range plan.Requests {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", plan.Addr)
		if err != nil {
			return loadResult{}, err
		}
		defer conn.Close()
		clients[i] = &client{conn: conn, in: bufio.NewReaderSize(conn, 16<<10), request: []byte(request), status: plan.Status}
	}
	begin := time.Now().Add(plan.WarmUp)
	end := begin.Add(plan.Measured)
	var group sync.WaitGroup
	failures := make([]error, len(clients))
	for i, c := range clients {
		group.Go(func() { failures[i] = c.run(ctx, begin, end) })
	}
	time.Sleep(time.Until(begin))
	before, err := processCPU(plan.PID)
	time.Sleep(time.Until(end))
	after, err2 := processCPU(plan.PID)
	group.Wait()
	if err := errors.Join(append(failures, err, err2)...); err != nil {
		return loadResult{}, err
	}
	result := loadResult{Elapsed: plan.Measured, ServerCPU: after - before}
	var took []time.Duration
	for _, c := range clients {
		took = append(took, c.took...)
		result.All += c.all
	}
	result.Answered = len(took)
	slices.Sort(took)
	result.P50, result.P99 = percentile(took, 50), percentile(took, 99)
	return result, nil
}

// percentile is the nearest-rank percentile of sorted durations; 0 of none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// client is one connection.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	status  int

	took []time.Duration // of the answers that came between begin and end
	all  int
}

func (c *client) run(ctx context.Context, begin, end time.Time) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	c.took = make([]time.Duration, 0, 1<<14)
	for {
		sent := time.Now()
		if !sent.Before(end) {
			return ctx.Err()
		}
		if err := c.exchange(); err != nil {
			return err
		}
		c.all++
		if now := time.Now(); !now.Before(begin) && now.Before(end) {
			c.took = append(c.took, now.Sub(sent))
		}
	}
}

// exchange sends the request once and reads the answer.
func (c *client) exchange() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	status, length := 0, 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		if len(line) <= 2 {
			break
		}
		if status == 0 {
			if status, err = statusOf(string(line)); err != nil {
				return err
			}
			continue
		}
		const name = "content-length:"
		if len(line) > len(name) && (line[0]|0x20) == 'c' && strings.EqualFold(string(line[:len(name)]), name) {
			if length, err = strconv.Atoi(strings.TrimSpace(string(line[len(name):]))); err != nil {
				return fmt.Errorf("read the answer: %w", err)
			}
		}
	}
	if status != c.status {
		return fmt.Errorf("the server answered %d where %d was awaited", status, c.status)
	}
	_, err := c.in.Discard(length)
	return err
}

func statusOf(line string) (int, error) {
	const protocol = "HTTP/1.1 "
	if len(line) < len(protocol)+3 || line[:len(protocol)] != protocol {
		return 0, errors.New("the answer does not begin with HTTP/1.1 and a status")
	}
	return strconv.Atoi(line[len(protocol) : len(protocol)+3])
}
