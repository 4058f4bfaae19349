// SPDX-License-Identifier: Apache-2.0

package subject

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"github.com/ingress-auth/conformance/suites/platform/kube"
)

// evidence implements Subject.Evidence. It writes below dir, redacted and without any Secret:
//
//	routes.yaml, events.txt, pods-<namespace>.yaml
//	logs/<pod>.log            and <pod>.previous.log where a container was restarted
//	nginx/<gateway>.conf      the configuration nginx runs with
//
// What cannot be had does not keep the rest from being written; it is in the error.
func (s *kindSubject) evidence(ctx context.Context, dir string) error {
	e := evidenceWriter{dir: dir, subject: s}
	if err := e.folders("logs", "nginx"); err != nil {
		return err
	}
	tasks := []func(context.Context) error{e.routes, e.events}
	for _, namespace := range []string{RouteNamespace, GatewayNamespace} {
		tasks = append(tasks, func(ctx context.Context) error { return e.pods(ctx, namespace) })
	}
	for _, g := range s.options.Gateways {
		tasks = append(tasks, func(ctx context.Context) error { return e.configuration(ctx, g.Name) })
	}
	errs := make([]error, len(tasks))
	var group errgroup.Group
	group.SetLimit(4)
	for i, task := range tasks {
		group.Go(func() error {
			errs[i] = task(ctx)
			return nil
		})
	}
	_ = group.Wait() // the tasks' errors are in errs
	return errors.Join(errs...)
}

type evidenceWriter struct {
	dir     string
	subject *kindSubject
}

func (e evidenceWriter) folders(names ...string) error {
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(e.dir, name), 0o755); err != nil {
			return fmt.Errorf("keep evidence: %w", err)
		}
	}
	return nil
}

func (e evidenceWriter) write(name string, content []byte) error {
	if err := os.WriteFile(filepath.Join(e.dir, name), e.subject.options.Redactor.Bytes(content), 0o644); err != nil {
		return fmt.Errorf("keep evidence: %w", err)
	}
	return nil
}

func (e evidenceWriter) routes(ctx context.Context) error {
	items, err := e.subject.kube.List(ctx, kube.Ingress, RouteNamespace, "")
	if err != nil {
		return err
	}
	return e.writeYAML("routes.yaml", items)
}

func (e evidenceWriter) writeYAML(name string, items []kube.Object) error {
	var out bytes.Buffer
	for i := range items {
		items[i].SetManagedFields(nil)
		text, err := yaml.Marshal(items[i].Object)
		if err != nil {
			return err
		}
		out.WriteString("---\n")
		out.Write(text)
	}
	return e.write(name, out.Bytes())
}

func (e evidenceWriter) events(ctx context.Context) error {
	items, err := e.subject.kube.List(ctx, kube.Event, "", "")
	if err != nil {
		return err
	}
	var lines []string
	for _, item := range items {
		text := func(name string) string {
			value, _ := item.Object[name].(string)
			return value
		}
		about, _ := item.Object["involvedObject"].(map[string]any)
		lines = append(lines, fmt.Sprintf("%s %s %s %v/%v: %s", item.GetCreationTimestamp().UTC().Format("15:04:05"),
			text("type"), text("reason"), about["kind"], about["name"], text("message")))
	}
	slices.Sort(lines)
	return e.write("events.txt", []byte(strings.Join(lines, "\n")+"\n"))
}

// pods writes the pods of a namespace and the logs of their containers.
func (e evidenceWriter) pods(ctx context.Context, namespace string) error {
	return e.podsOf(ctx, namespace, "")
}

// podsOf is pods, of those that a label selector matches.
func (e evidenceWriter) podsOf(ctx context.Context, namespace, selector string) error {
	pods, err := e.subject.kube.List(ctx, kube.Pod, namespace, selector)
	if err != nil {
		return err
	}
	errs := []error{e.writeYAML("pods-"+namespace+".yaml", pods)}
	for i := range pods {
		errs = append(errs, e.logs(ctx, &pods[i]))
	}
	return errors.Join(errs...)
}

func (e evidenceWriter) logs(ctx context.Context, pod *kube.Object) error {
	log, err := e.subject.kube.PodLogs(ctx, pod.GetNamespace(), pod.GetName(), "", kube.LogOptions{Timestamps: true})
	if err != nil {
		return err
	}
	errs := []error{e.write(filepath.Join("logs", pod.GetName()+".log"), log)}
	if restarted(pod) {
		log, err := e.subject.kube.PodLogs(ctx, pod.GetNamespace(), pod.GetName(), "", kube.LogOptions{Timestamps: true, Previous: true})
		if err == nil {
			err = e.write(filepath.Join("logs", pod.GetName()+".previous.log"), log)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func restarted(pod *kube.Object) bool {
	status, _ := pod.Object["status"].(map[string]any)
	containers, _ := status["containerStatuses"].([]any)
	for _, c := range containers {
		container, _ := c.(map[string]any)
		if n, _ := container["restartCount"].(int64); n > 0 {
			return true
		}
	}
	return false
}

func (e evidenceWriter) configuration(ctx context.Context, gateway string) error {
	pod, err := e.subject.gateway.controllerPod(ctx, gateway)
	if err != nil {
		return err
	}
	config, err := e.subject.kube.Exec(ctx, GatewayNamespace, pod, "controller", "cat", "/etc/nginx/nginx.conf")
	if err != nil {
		return err
	}
	return e.write(filepath.Join("nginx", gateway+".conf"), config)
}
