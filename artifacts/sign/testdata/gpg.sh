#!/bin/bash
# Makes the keys and signatures of this directory with gpg. They sign nothing but tests.
# The names are those of the tests' tables. Run in an empty directory.
set -euo pipefail
export GNUPGHOME=$(mktemp -d /tmp/gpgXXXXXX)
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT
# All is made in the past: a fixture is no younger than a clock.
gpg() { command gpg --faked-system-time "${at-20240101T000000}" --batch --quiet --yes --pinentry-mode loopback --passphrase "${pass-}" "$@"; }
fpr() { gpg --list-keys --with-colons "$1" | awk -F: '$1=="fpr"{print $10; exit}'; }
secret() { gpg --export-secret-keys --armor "$2" >"$1.key"; public "$1" "$2"; }
public() { gpg --export --armor "$2" >"$1.asc"; }
printf 'Origin: pybake\n-Label: a dash\n\nDate: Fri, 02 Jan 2026 03:04:05 UTC\n' >text

gpg --quick-generate-key 'Rita RSA <rsa@example.org>' rsa2048 sign never
secret rsa rsa@example.org
gpg --quick-generate-key 'Eda Ed25519 <ed25519@example.org>' ed25519 sign never
secret ed25519 ed25519@example.org
gpg --quick-generate-key 'Eve P-256 <p256@example.org>' nistp256 sign never
secret p256 p256@example.org
gpg --quick-generate-key 'Default Dora <default@example.org>' default default 0
secret default default@example.org

# A primary key that only certifies, an old and a new signing subkey, one for encryption.
at=20200101T000000 gpg --quick-generate-key 'Sub Sam <subkeys@example.org>' ed25519 cert never
at=20200101T000001 gpg --quick-add-key "$(fpr subkeys@example.org)" ed25519 sign never
at=20210101T000000 gpg --quick-add-key "$(fpr subkeys@example.org)" ed25519 sign never
at=20220101T000000 gpg --quick-add-key "$(fpr subkeys@example.org)" cv25519 encr never
secret subkeys subkeys@example.org
gpg --export-secret-subkeys --armor subkeys@example.org >offline.key
gpg --local-user subkeys@example.org --armor --output subkeys.text.asc --detach-sign text
gpg --local-user subkeys@example.org --output subkeys.text.sig --detach-sign text
gpg --local-user subkeys@example.org --output subkeys.text.clear --clear-sign text
# Only for certification and encryption.
gpg --quick-generate-key 'Certifying Carl <nosign@example.org>' ed25519 cert never
secret nosign nosign@example.org

pass='correct horse' gpg --quick-generate-key 'Paula Passphrase <passphrase@example.org>' rsa2048 sign never
pass='correct horse' secret passphrase passphrase@example.org
pass='correct horse' gpg --quick-generate-key 'Pablo Passphrase <passphrase2@example.org>' ed25519 sign never
pass='correct horse' secret passphrase2 passphrase2@example.org

# Expired in 2021, with a signature of 2020; extended later for one year, self-signature anew.
at=20200101T000000 gpg --quick-generate-key 'Expired Ed <expired@example.org>' ed25519 sign 20210101T000000
at=20200601T000000 gpg --local-user expired@example.org --armor --output expired.text.asc --detach-sign text
at=20200601T000000 gpg --local-user expired@example.org --output expired.text.clear --clear-sign text
secret expired expired@example.org
at=20201201T000000 gpg --quick-set-expire "$(fpr expired@example.org)" 20220101T000000
gpg --export-options export-minimal --export --armor expired@example.org >extended.asc
# A signature after the end of the key as it was in expired.asc, within extended.asc.
at=20210601T000000 gpg --local-user expired@example.org --armor --output extended.text.asc --detach-sign text

# Signed first, revoked then.
gpg --quick-generate-key 'Revoked Ruth <revoked@example.org>' ed25519 sign never
gpg --local-user revoked@example.org --armor --output revoked.text.asc --detach-sign text
sed 's/^:---/---/' "$GNUPGHOME/openpgp-revocs.d/$(fpr revoked@example.org).rev" | gpg --import
secret revoked revoked@example.org

# RSA with 1024 bits, SHA-1, a signature that expires.
gpg --quick-generate-key 'Weak Will <weak@example.org>' rsa1024 sign never
secret weak weak@example.org
gpg --local-user weak@example.org --armor --output weak.text.asc --detach-sign text
gpg --local-user rsa@example.org --digest-algo SHA1 --armor --output sha1.text.asc --detach-sign text
gpg --default-sig-expire 1d --local-user subkeys@example.org --armor --output past.text.asc --detach-sign text
gpg --local-user rsa@example.org --armor --output rsa.text.asc --detach-sign text
gpg --local-user rsa@example.org --local-user ed25519@example.org --armor --output both.text.asc --detach-sign text
gpg --local-user rsa@example.org --armor --textmode --output textmode.text.asc --detach-sign text

gpg --export-secret-keys --armor rsa@example.org ed25519@example.org >two.key
gpg --export --armor rsa@example.org ed25519@example.org >two.asc
cat expired.key ed25519.key >rotated.key
gpg --export-secret-keys rsa@example.org >binary.key
