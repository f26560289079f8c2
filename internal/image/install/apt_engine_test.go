//go:build engine

package install

import (
	"strings"
	"testing"
)

// makePackages makes a package with what is to go, and one that it depends on.
const makePackages = `
mkdir -p /srv/x/DEBIAN /srv/x/usr/share/doc/x /srv/x/usr/share/man/man1 /srv/x/usr/share/locale/de/LC_MESSAGES /srv/x/usr/lib/python3/x/__pycache__ /srv/x/etc /srv/debs
cd /srv/x
echo free > usr/share/doc/x/copyright
echo text | tee usr/share/doc/x/README usr/share/man/man1/x.1 usr/share/locale/de/LC_MESSAGES/x.mo usr/lib/python3/x/__pycache__/x.cpython-313.pyc > etc/x
printf 'Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDepends: y\nDescription: x\n' > DEBIAN/control
echo /etc/x > DEBIAN/conffiles
cat > DEBIAN/postinst <<'END'
#!/bin/sh
echo "$SOURCE_DATE_EPOCH" > /var/lib/x
/usr/sbin/policy-rc.d x start || echo $? > /var/lib/x-policy
echo log > /var/log/x.log
echo old > /etc/x.dpkg-old
echo 0123456789abcdef0123456789abcdef > /etc/machine-id
useradd --system x-user
END
chmod 755 DEBIAN/postinst
mkdir -p /srv/y/DEBIAN
sed -e 's/: x$/: y/' -e /Depends/d DEBIAN/control > /srv/y/DEBIAN/control
dpkg-deb -b /srv/x /srv/debs/x.deb
dpkg-deb -b /srv/y /srv/debs/y.deb
rm -rf /srv/x /srv/y
`

// leftovers lists what apt.sh takes away.
const leftovers = `
find /usr/share/doc -mindepth 2 ! -name copyright
find /usr/share/man /usr/share/info /usr/share/lintian /usr/share/locale -mindepth 1 ! -name locale.alias
find /var/lib/apt/lists /var/cache/apt /var/log/apt ! -type d
find /var/log -size +0 -type f
find / -xdev \( -name '*.pyc' -o -name '*.dpkg-old' -o -path '/var/lib/dpkg/*-old' \)
ls -d /etc/*- /var/lib/apt/extended_states /var/cache/ldconfig/aux-cache /usr/sbin/policy-rc.d /var/cache/debconf/*-old 2>/dev/null || :
`

func TestApt(t *testing.T) {
	c := start(t, shared.base, "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETUID", "SETGID")
	if err := c.Put(t.Context(), "/srv", strings.NewReader(tarFile(t, "apt.sh", Script("apt.sh")))); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"", "/nowhere", "--other", "/srv/debs never", "/srv/debs 1 2"} {
		said, err := shell(t.Context(), c, "0:0", "sh /srv/apt.sh "+args)
		if err == nil || !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(said, "usage: apt.sh DIR") {
			t.Errorf("apt.sh %s: %v", args, err)
		}
	}
	if _, err := shell(t.Context(), c, "1000:1000", "sh /srv/apt.sh --slim"); err == nil || !strings.Contains(err.Error(), "want to be root") {
		t.Errorf("as a user: %v", err)
	}

	run(t, c, "echo x > /usr/share/doc/dpkg/README; echo y > /var/lib/apt/lists/example; echo example > /etc/hostname; cp /etc/resolv.conf /tmp/; sh /srv/apt.sh --slim")
	if said := run(t, c, leftovers); said != "" {
		t.Errorf("slimmed: %s", said)
	}
	said := run(t, c, "cat /etc/hostname; cmp /etc/resolv.conf /tmp/resolv.conf; test -s /usr/share/doc/dpkg/copyright; ! test -s /etc/machine-id")
	if said != "example\n" {
		t.Errorf("%q", said)
	}

	run(t, c, makePackages)
	run(t, c, "cd /srv; SOURCE_DATE_EPOCH=1 sh apt.sh debs 86400000")
	if said := run(t, c, leftovers); said != "" {
		t.Errorf("installed: %s", said)
	}
	want := "86400000\n101\ntext\nfree\nx-user:1000\ninstall ok installed\n"
	said = run(t, c, `cat /var/lib/x /var/lib/x-policy /etc/x /usr/share/doc/x/copyright
		grep x-user /etc/shadow | cut -d: -f1,3; dpkg-query -W -f '${Status}\n' y; ! test -s /etc/machine-id`)
	if said != want {
		t.Errorf("%q", said)
	}

	// A package without what it depends on is refused.
	said, err := shell(t.Context(), c, "0:0", "dpkg -r x y >/dev/null; rm /srv/debs/y.deb; sh /srv/apt.sh /srv/debs")
	if err == nil || !strings.Contains(said, "Depends: y") {
		t.Errorf("without y: %v", err)
	}
	run(t, c, "! test -e /usr/sbin/policy-rc.d; ! dpkg-query -s y >/dev/null 2>&1")
}
