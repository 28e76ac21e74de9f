package main

import (
	"context"
	"errors"

	"github.com/parbench/parbench/strategies/multiproc/manager"
)

func managerJobs() map[string]job {
	return map[string]job{
		"manager-start": startManager,
		"manager-set": managerJob(func(ctx context.Context, m *manager.Manager) (func() error, error) {
			d, err := manager.NewDict[string, int](ctx, m)
			return func() error { return d.Set(ctx, "a", 7) }, err
		}),
		"manager-get": managerJob(func(ctx context.Context, m *manager.Manager) (func() error, error) {
			d, err := manager.NewDict[string, int](ctx, m)
			if err == nil {
				err = d.Set(ctx, "a", 7)
			}
			return func() error {
				v, err := d.Get(ctx, "a")
				if err == nil && v != 7 {
					err = errors.New("the value is another one")
				}
				return err
			}, err
		}),
		"manager-append": managerJob(func(ctx context.Context, m *manager.Manager) (func() error, error) {
			l, err := manager.NewList[int](ctx, m)
			return func() error { return l.Append(ctx, 7) }, err
		}),
		"manager-queue": managerJob(func(ctx context.Context, m *manager.Manager) (func() error, error) {
			q, err := manager.NewQueue[int](ctx, m, 16)
			return func() error {
				if err := q.Put(ctx, 7); err != nil {
					return err
				}
				_, err := q.Get(ctx)
				return err
			}, err
		}),
	}
}

// managerJob measures how often a second the only client of a manager can do what prepare returns.
func managerJob(prepare func(context.Context, *manager.Manager) (func() error, error)) job {
	return func(ctx context.Context, _ []int) (values, error) {
		m, err := manager.Start(ctx)
		if err != nil {
			return nil, err
		}
		do, err := prepare(ctx, m)
		if err != nil {
			return nil, err
		}
		v, err := trips(do)
		return one(v, errors.Join(err, m.Shutdown(ctx)))
	}
}

// startManager starts a manager's process and ends it.
func startManager(ctx context.Context, _ []int) (values, error) {
	return one(median(20, func() (float64, error) {
		return timed(func() error {
			m, err := manager.Start(ctx)
			if err != nil {
				return err
			}
			return m.Shutdown(ctx)
		})
	}))
}
