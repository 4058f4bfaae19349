// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"

	"github.com/ingress-auth/conformance/mockidp"
)

// settings are the flags.
type settings struct {
	configFile  string
	listen      string
	issuer      string
	backchannel string
	autoLogin   string
	tlsCert     string
	tlsKey      string
	tls         bool
	tlsCAFile   string
	logFormat   string
	logLevel    slog.Level
	allowRemote bool
	testMint    bool
	dialect     string
	debugger    bool

	controlListen string
	controlToken  string
}

// errHelp says that the help was asked for and printed.
var errHelp = errors.New("help")

// envName of --tls-cert is MOCKIDP_TLS_CERT.
func envName(flagName string) string {
	return "MOCKIDP_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_"))
}

func parseSettings(args []string, getenv func(string) string, help io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("mockidp", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&s.configFile, "config", "", "YAML `file` with users and clients; without it there is a default user and client")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free one")
	flags.StringVar(&s.issuer, "issuer", "", "issuer `URL`; overrides the configuration; default: the address it listens on")
	flags.StringVar(&s.dialect, "dialect", "", "`name` of a real provider to be like, such as keycloak; overrides the configuration; see mockidp dialects")
	flags.StringVar(&s.backchannel, "backchannel-urls", "", "`URLs`, separated by commas, by which relying parties reach it; overrides the configuration")
	flags.StringVar(&s.autoLogin, "auto-login", "", "sign this `user` in without a page; overrides the configuration")
	flags.BoolVar(&s.testMint, "enable-test-mint", false, "serve POST /test/mint, which gives an ID token to anyone")
	flags.BoolVar(&s.debugger, "debugger", false, "serve /debugger, a page with the last flows, without secrets")
	flags.StringVar(&s.tlsCert, "tls-cert", "", "PEM `file` with the certificate chain; serves https")
	flags.StringVar(&s.tlsKey, "tls-key", "", "PEM `file` with the key of --tls-cert")
	flags.BoolVar(&s.tls, "tls", false, "serve https with certificates of an authority of its own, and stage what is wrong with connections")
	flags.StringVar(&s.tlsCAFile, "tls-ca-file", "", "`file` to write the certificate of the --tls authority to, for relying parties to trust")
	flags.StringVar(&s.controlListen, "control-listen", "", "`address` for the control API; without it there is none")
	flags.StringVar(&s.controlToken, "control-token", "", "`token` that requests to the control API must show; needed where other machines reach it")
	flags.BoolVar(&s.allowRemote, "allow-remote", false, "let --listen be an address that other machines reach, as in a container")
	flags.StringVar(&s.logFormat, "log-format", "text", "`format` of the log: text or json")
	flags.TextVar(&s.logLevel, "log-level", slog.LevelInfo, "lowest `level` to log: debug, info, warn or error")
	var fromEnv []error
	flags.VisitAll(func(f *flag.Flag) {
		if value := getenv(envName(f.Name)); value != "" {
			if err := flags.Set(f.Name, value); err != nil {
				fromEnv = append(fromEnv, fmt.Errorf("%s: %q is not valid: %w", envName(f.Name), value, err))
			}
		}
	})
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(flags, help)
		return s, errHelp
	}
	if err != nil {
		return s, fmt.Errorf("%w; see --help", err)
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q; see --help", flags.Arg(0))
	}
	return s, errors.Join(fromEnv...)
}

func printHelp(flags *flag.FlagSet, w io.Writer) {
	fmt.Fprint(w, "mockidp serves a mock OpenID Provider, for tests only.\n\nUsage: mockidp [flags]\n       mockidp faults [ID | --markdown]   list the faults, or explain one\n       mockidp faults run --rp-url URL   judge a relying party by them\n       mockidp dialects [NAME | --markdown]   list the real providers it can be like, or explain one\n       mockidp schema   print the JSON Schema of the configuration file\n\nEach flag has an environment variable: --tls-cert is MOCKIDP_TLS_CERT. A flag wins.\n\n")
	flags.SetOutput(w)
	flags.PrintDefaults()
}

// check finds what flags alone can get wrong.
func (s settings) check() error {
	if (s.tlsCert == "") != (s.tlsKey == "") {
		return errors.New("--tls-cert and --tls-key go together, but only one is given")
	}
	if s.tlsCert != "" {
		if _, err := tls.LoadX509KeyPair(s.tlsCert, s.tlsKey); err != nil {
			return fmt.Errorf("--tls-cert and --tls-key cannot be used: %w", err)
		}
	}
	if s.tls && s.tlsCert != "" {
		return errors.New("--tls makes certificates itself, so leave --tls-cert and --tls-key out")
	}
	if s.tlsCAFile != "" && !s.tls {
		return errors.New("--tls-ca-file is for the authority of --tls, which is not given")
	}
	if s.logFormat != "text" && s.logFormat != "json" {
		return fmt.Errorf("--log-format %q must be text or json", s.logFormat)
	}
	if err := s.checkControl(); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(s.listen)
	if err != nil {
		return fmt.Errorf("--listen %q must be host:port", s.listen)
	}
	if !s.allowRemote && !loopback(host) {
		return fmt.Errorf("--listen %s can be reached from other machines, and this server signs anybody in; add --allow-remote if that is meant", s.listen)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// config reads the file and puts the flags over it.
func (s settings) config() (mockidp.Config, error) {
	var cfg mockidp.Config
	if s.configFile != "" {
		var err error
		if cfg, err = mockidp.LoadConfig(s.configFile); err != nil {
			return cfg, err
		}
	}
	if s.issuer != "" {
		cfg.Issuer = s.issuer
	}
	if s.backchannel != "" {
		cfg.BackchannelURLs = strings.Split(s.backchannel, ",")
	}
	if s.autoLogin != "" {
		cfg.AutoLogin = s.autoLogin
	}
	if s.dialect != "" {
		cfg.Dialect = s.dialect
	}
	cfg.EnableTestMint = cfg.EnableTestMint || s.testMint
	return cfg, nil // New says what is wrong with it
}

// dialectPath is where an issuer of the dialect usually is.
func dialectPath(cfg mockidp.Config) string {
	d, err := mockidp.FindDialect(cfg.Dialect)
	if err != nil {
		return ""
	}
	return d.Path
}

// defaultIssuer is where this machine reaches the server.
func (s settings) defaultIssuer(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return mockidp.DefaultIssuer
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http"
	if s.tls || s.tlsCert != "" {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

func (s settings) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.logLevel}
	if s.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
