// A certificate for a server of a test's own, as an appliance makes itself one: self-signed, known by its fingerprint only.
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ServerCertificate {
  readonly key: string;
  readonly cert: string;
  /** SHA-256, hexadecimal with colons. */
  readonly fingerprint: string;
}

export function selfSignedCertificate(): ServerCertificate {
  const directory = mkdtempSync(join(tmpdir(), 'plumbline-certificate-'));
  try {
    const [keyFile, certFile] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc', '-days', '2'];
    const args = ['req', '-x509', ...kind, '-subj', '/CN=127.0.0.1', '-keyout', keyFile, '-out', certFile];
    const made = spawnSync('openssl', args, { encoding: 'utf8' });
    if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.stderr}`);
    const cert = readFileSync(certFile, 'utf8');
    return { key: readFileSync(keyFile, 'utf8'), cert, fingerprint: new X509Certificate(cert).fingerprint256 };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
