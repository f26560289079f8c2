package elfcheck

import (
	"debug/elf"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The limits of what is asked for: versions, and bytes of their names.
const (
	maxNeeds     = 10_000
	maxNeedNames = 256 << 10
)

// versions reads which versions of symbols the file asks for, as readelf -V
// shows under .gnu.version_r, and keeps the newest of glibc.
func (e *reader) versions() error {
	table, count := e.dynamic[elf.DT_VERNEED], e.dynamic[elf.DT_VERNEEDNUM]
	if len(table) == 0 || len(count) == 0 {
		return nil
	}
	off, err := e.offset(table[0])
	if err != nil {
		return fmt.Errorf("symbol versions: %w", err)
	}
	seen, named := 0, 0
	for range min(count[0], maxNeeds) {
		// Elf64_Verneed and Elf32_Verneed: version, count, file, aux, next.
		need, err := e.bytes("symbol versions", off, 16, 16)
		if err != nil {
			return err
		}
		aux := off + uint64(e.order.Uint32(need[8:]))
		for range e.order.Uint16(need[2:]) {
			if seen++; seen > maxNeeds {
				return errors.New("too many symbol versions")
			}
			// Vernaux: hash, flags, other, name, next.
			a, err := e.bytes("symbol version", aux, 16, 16)
			if err != nil {
				return err
			}
			name, err := e.text(uint64(e.order.Uint32(a[8:])))
			if err != nil {
				return fmt.Errorf("symbol version: %w", err)
			}
			if named += len(name); named > maxNeedNames {
				return errors.New("too many symbol versions")
			}
			if v := glibc(name); older(e.file.GLIBC, v) {
				e.file.GLIBC = v
			}
			next := e.order.Uint32(a[12:])
			if next == 0 {
				break
			}
			aux += uint64(next)
		}
		next := e.order.Uint32(need[12:])
		if next == 0 {
			break
		}
		off += uint64(next)
	}
	return nil
}

// glibc is the glibc that a symbol version needs: {2, 2} for "GLIBC_2.2.5".
func glibc(name string) (v [2]int) {
	switch name {
	case "GLIBC_ABI_DT_RELR":
		return [2]int{2, 36}
	case "GLIBC_ABI_GNU2_TLS", "GLIBC_ABI_GNU_TLS", "GLIBC_ABI_DT_X86_64_PLT":
		return [2]int{2, 42}
	}
	rest, ok := strings.CutPrefix(name, "GLIBC_")
	if !ok {
		return v
	}
	parts := strings.SplitN(rest, ".", 3)
	if len(parts) < 2 {
		return v
	}
	for i := range v {
		n, err := strconv.ParseUint(parts[i], 10, 16)
		if err != nil {
			return [2]int{}
		}
		v[i] = int(n)
	}
	return v
}
