/** What a page shows to be let in. It never stands in a URL that is sent: see {@link credentialsFromFragment}. */
export type Credentials =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'password'; readonly user: string; readonly password: string };

/** The value of the `Authorization:` header (RFC 6750 §2.1, RFC 7617 §2.1 with UTF-8). */
export function authorization(credentials: Credentials): string {
  if (credentials.kind === 'token') {
    return `Bearer ${credentials.token}`;
  }
  const bytes = new TextEncoder().encode(`${credentials.user}:${credentials.password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/**
 * Reads `#token=...` or `#user=...&pass=...`. A fragment stays in the browser (RFC 9110 §4.2.5 via RFC 3986 §3.5), so
 * no access log between here and the server can hold it.
 */
export function credentialsFromFragment(hash: string): Credentials | null {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const token = fields.get('token');
  if (token) {
    return { kind: 'token', token };
  }
  const user = fields.get('user');
  return user ? { kind: 'password', user, password: fields.get('pass') ?? '' } : null;
}
