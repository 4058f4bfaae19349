// SPDX-License-Identifier: Apache-2.0

// Package redisstore is the proxy's session store in Redis or Valkey, for those who run more than one replica. What it is
// given to keep is encrypted already (see proxy.Store): it stores, expires and locks, and knows nothing of sessions.
package redisstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Time limits of one connection. A command is bounded by its context besides.
const (
	dialTimeout = time.Second
	ioTimeout   = time.Second
)

// Options say where the server is.
type Options struct {
	// ConnectionURL is redis://, rediss:// (TLS) or unix://, as go-redis reads it: the path is the database's number.
	ConnectionURL string
	// Username, Password and PasswordFile replace what ConnectionURL says. The file is read for every new connection, so
	// that a password can be changed without a restart.
	Username     string
	Password     string
	PasswordFile string
	// CAFile is a PEM file of the authorities trusted for rediss://, in place of the system's.
	CAFile string
}

// Store implements proxy.Store. It is safe for concurrent use.
type Store struct {
	client       *redis.Client
	deleteIfSame *redis.Script
}

// Open returns a store. It does not connect: a server that is down now is reached once it is up. The error says which
// setting to mend and quotes no password.
func Open(o Options) (*Store, error) {
	options, err := clientOptions(o)
	if err != nil {
		return nil, err
	}
	return &Store{
		client: redis.NewClient(options),
		deleteIfSame: redis.NewScript(`if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0`),
	}, nil
}

func clientOptions(o Options) (*redis.Options, error) {
	options, err := redis.ParseURL(o.ConnectionURL)
	if err != nil {
		// Not wrapped: the parser quotes what it read, password included.
		return nil, errors.New("--redis-connection-url cannot be read: give redis://host:6379/0, rediss://host:6379/0 or unix:///path")
	}
	if o.Password != "" && o.PasswordFile != "" {
		return nil, errors.New("--redis-password and --redis-password-file contradict each other: give one of them")
	}
	if options.Password != "" && (o.Password != "" || o.PasswordFile != "") {
		return nil, errors.New("--redis-connection-url has a password already: remove it there, or --redis-password and --redis-password-file")
	}
	if o.Username != "" {
		options.Username = o.Username
	}
	if o.Password != "" {
		options.Password = o.Password
	}
	if o.PasswordFile != "" {
		username, file := options.Username, o.PasswordFile
		options.CredentialsProviderContext = func(context.Context) (string, string, error) {
			password, err := readPassword(file)
			return username, password, err
		}
		if _, err := readPassword(file); err != nil {
			return nil, err
		}
	}
	if o.CAFile != "" {
		if options.TLSConfig == nil {
			return nil, errors.New("--redis-ca-path has no effect without TLS: let --redis-connection-url begin with rediss://")
		}
		if options.TLSConfig.RootCAs, err = readAuthorities(o.CAFile); err != nil {
			return nil, err
		}
	}
	if options.TLSConfig != nil {
		options.TLSConfig.MinVersion = tls.VersionTLS12
	}
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	options.DialerRetries = 1 // the next request tries again
	options.ContextTimeoutEnabled = true
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return options, nil
}

func readPassword(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read --redis-password-file: %w", err)
	}
	password := strings.TrimRight(string(b), "\r\n")
	if password == "" {
		return "", fmt.Errorf("--redis-password-file=%s is empty", file)
	}
	return password, nil
}

func readAuthorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read --redis-ca-path: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--redis-ca-path=%s holds no PEM certificate", file)
	}
	return pool, nil
}

// Quiet stops go-redis from writing each failed connection to standard error in a form of its own, for the whole program.
// The errors are returned all the same.
func Quiet() { logging.Disable() }

// Get returns the value under key.
func (s *Store) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	value, err = s.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// Create stores value for ttl unless key is there, and says whether it did.
func (s *Store) Create(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return stored(s.client.SetArgs(ctx, key, value, redis.SetArgs{Mode: "NX", TTL: ttl}))
}

// Replace stores value for ttl if key is there, and says whether it did.
func (s *Store) Replace(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	return stored(s.client.SetArgs(ctx, key, value, redis.SetArgs{Mode: "XX", TTL: ttl}))
}

func stored(status *redis.StatusCmd) (bool, error) {
	err := status.Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}

// Delete deletes keys, those there are. Each is a command of its own, so that a proxy in front may spread the keys.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, key := range keys {
			p.Del(ctx, key)
		}
		return nil
	})
	return err
}

// DeleteIf deletes key if it has this value, in one step.
func (s *Store) DeleteIf(ctx context.Context, key string, value []byte) error {
	return s.deleteIfSame.Run(ctx, s.client, []string{key}, value).Err()
}

// AddMember adds member to a set for ttl; the set itself lasts as long from now. Members whose time is over are dropped on
// the way.
func (s *Store) AddMember(ctx context.Context, set, member string, ttl time.Duration) error {
	now := time.Now()
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRemRangeByScore(ctx, set, "-inf", strconv.FormatInt(now.Unix(), 10))
		p.ZAdd(ctx, set, redis.Z{Score: float64(now.Add(ttl).Unix() + 1), Member: member})
		p.Expire(ctx, set, ttl)
		return nil
	})
	return err
}

// Members returns the members of a set.
func (s *Store) Members(ctx context.Context, set string) ([]string, error) {
	return s.client.ZRange(ctx, set, 0, -1).Result()
}

// Close closes the connections.
func (s *Store) Close() error { return s.client.Close() }
