// Command servers starts a PostgreSQL and a Redis for tests, on free ports with their data in a temporary folder, prints how to
// reach them as shell assignments, and stops and removes both when it is interrupted or its standard input ends:
//
//	go run ./scripts/servers
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"featurestore/modules/store/storetest/servers"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop <- os.Interrupt
	}()
	postgres, err := servers.NewPostgres()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()
	// Strings compare by the rules of English in this Redis: what relies on their bytes fails here. It waits for no disk: tests of what is lost with
	// a server have one of their own.
	redis, err := servers.NewRedis(servers.RedisOptions{Fsync: "no", Locale: "en_US.UTF-8"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, redis.Close()) }()
	fmt.Printf("export FEATURESTORE_TEST_POSTGRES_URL=%s\nexport FEATURESTORE_TEST_REDIS_URL=%s\n", postgres.URL(), redis.URL())
	<-stop
	return nil
}
