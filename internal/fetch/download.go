package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// download brings a file from a place into the cache: tries, pauses, tries
// again.
func (f *Fetcher) download(ctx context.Context, file File, place Place, name string) error {
	part, err := f.lock(ctx, file)
	if err != nil {
		return &localError{err}
	}
	defer part.Close()
	d := &download{Fetcher: f, file: file, place: place, name: name, part: part, hashes: newSums(file)}
	// Whoever held the lock before may have finished the file.
	if f.verify(ctx, file) == nil {
		os.Remove(part.Name())
		return nil
	}
	if err := d.load(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return d.fail(&localError{err})
	}
	if _, found := d.hashes.wrong(); found == "" {
		return d.finish()
	}
	pause, furthest := f.backoff(), d.done
	for tries := 1; ; tries++ {
		err := d.try(ctx)
		if err == nil || !errors.As(err, new(*transientError)) || ctx.Err() != nil {
			return d.fail(err)
		}
		// A long file over a bad line may need many tries; each that came
		// a good piece further than any before it is free.
		if d.done >= furthest+1<<20 {
			furthest, tries, pause = d.done, 0, f.backoff()
		} else if tries >= f.attempts() {
			return d.fail(fmt.Errorf("%w (after %d tries)", err, tries))
		}
		if err := sleep(ctx, pause); err != nil {
			return d.fail(err)
		}
		pause *= 2
	}
}

// download is one file on its way into the cache.
type download struct {
	*Fetcher
	file   File
	place  Place
	name   string
	part   *os.File // locked; holds done bytes
	hashes *sums    // of those
	done   int64
}

// load hashes what an earlier download has left.
func (d *download) load(ctx context.Context) error {
	info, err := d.part.Stat()
	if err != nil {
		return err
	}
	if info.Size() > d.maxSize(d.file) {
		return d.reset()
	}
	d.done, err = io.Copy(d.hashes, &ctxReader{ctx, io.LimitReader(d.part, info.Size())})
	return err
}

func (d *download) reset() error {
	d.hashes.reset()
	if d.done = 0; d.empty() {
		return nil
	}
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

func (d *download) empty() bool {
	info, err := d.part.Stat()
	return err == nil && info.Size() == 0
}

// fail leaves the partial file for a later download if its bytes may be of
// use, and removes it otherwise.
func (d *download) fail(err error) error {
	if err == nil {
		return nil
	}
	useless := errors.Is(err, errTooLong) || errors.As(err, new(*MismatchError))
	if useless || errors.As(err, new(*localError)) || d.empty() {
		os.Remove(d.part.Name())
	}
	return err
}

// try makes one request, and if what it brings completes a file that does not
// match but was begun by someone else, another one for the whole.
func (d *download) try(ctx context.Context) error {
	from, err := d.receive(ctx)
	if from > 0 && errors.As(err, new(*MismatchError)) {
		if err := d.reset(); err != nil {
			return &localError{err}
		}
		_, err = d.receive(ctx)
	}
	if err != nil {
		return err
	}
	return d.finish()
}

// receive appends what the place sends to the partial file, and answers nil if
// the whole is what it should be. from is where the place began.
func (d *download) receive(ctx context.Context) (from int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := &transientError{fmt.Errorf("nothing came for %v", d.stall())}
	watch := time.AfterFunc(d.stall(), func() { cancel(stalled) })
	defer watch.Stop()

	body, err := d.place.Open(ctx, d.name, d.done)
	if err != nil {
		if context.Cause(ctx) == stalled {
			err = &unreachableError{&transientError{fmt.Errorf("%s: %w", Redact(d.name), stalled)}}
		}
		return 0, err
	}
	defer body.Close()
	if body.From != d.done {
		if err := d.reset(); err != nil {
			return 0, &localError{err}
		}
	}
	if limit := d.maxSize(d.file); body.Size > limit {
		return body.From, d.tooLong(body, limit)
	}
	if err := d.copy(ctx, body, watch); err != nil {
		if context.Cause(ctx) == stalled {
			err = fmt.Errorf("%s: %w", body.Where, stalled)
		}
		return body.From, err
	}
	want := body.Size
	if want < 0 {
		want = d.file.Size
	}
	if d.done < want {
		return body.From, &transientError{fmt.Errorf("%s: ended after %d of %d bytes", body.Where, d.done, want)}
	}
	if _, found := d.hashes.wrong(); found != "" {
		return body.From, &MismatchError{d.place.Label, body.Where, d.file, found}
	}
	return body.From, nil
}

// copy writes and hashes the body to its end.
func (d *download) copy(ctx context.Context, body Body, watch *time.Timer) error {
	limit, buf := d.maxSize(d.file), make([]byte, 256<<10)
	total := body.Size
	if total < 0 && d.file.Size > 0 {
		total = d.file.Size
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, readErr := body.Read(buf)
		if d.done+int64(n) > limit {
			return d.tooLong(body, limit)
		}
		if n > 0 {
			watch.Reset(d.stall())
			if _, err := d.part.Write(buf[:n]); err != nil {
				return &localError{err}
			}
			d.hashes.Write(buf[:n])
			d.done += int64(n)
			if d.Progress != nil {
				d.Progress(d.file, d.done, total)
			}
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return &transientError{&redacted{fmt.Errorf("%s: after %d bytes: %w", body.Where, d.done, readErr)}}
		}
	}
}

func (d *download) tooLong(body Body, limit int64) error {
	if d.file.Size > 0 {
		return &MismatchError{d.place.Label, body.Where, d.file, ""}
	}
	return fmt.Errorf("%s: %w of %d bytes", body.Where, errTooLong, limit)
}

var errTooLong = errors.New("longer than the limit")

// finish renames the verified partial file into the cache. There is no fsync:
// what a power cut damages is noticed at its next use.
func (d *download) finish() error {
	final := d.Fetcher.path(d.file)
	err := os.MkdirAll(filepath.Dir(final), 0o755)
	if err == nil {
		err = os.Rename(d.part.Name(), final)
	}
	if err != nil {
		return d.fail(&localError{err})
	}
	if info, err := d.part.Stat(); err == nil {
		d.remember(d.file, info)
	}
	return nil
}
