import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Resource, SignalingError, type Endpoint } from './resource';
import { ANSWER, created, fakeBrowser, fakeServer } from './testing';

const endpoint: Endpoint = { url: '/p/whip', credentials: () => ({ kind: 'token', token: 'secret' }) };
const plain: Endpoint = { url: '/p/whip', credentials: () => null };

beforeEach(fakeBrowser);
afterEach(() => {
  vi.unstubAllGlobals();
});

async function refusal(response: Response): Promise<SignalingError> {
  fakeServer(() => response);
  return Resource.create(plain, 'offer').then(
    () => {
      throw new Error('was taken');
    },
    (error: unknown) => error as SignalingError,
  );
}

describe('Resource.create', () => {
  it('posts the offer with credentials in a header and none in the address', async () => {
    const seen = fakeServer(() => created({ Link: '<stun:s>; rel="ice-server"' }));
    const { answer, iceServers } = await Resource.create(endpoint, 'offer');
    expect(answer).toBe(ANSWER);
    expect(iceServers).toEqual([{ urls: 'stun:s' }]);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/p/whip', body: 'offer' });
    expect(seen[0]?.headers.get('Content-Type')).toBe('application/sdp');
    expect(seen[0]?.headers.get('Authorization')).toBe('Bearer secret');
  });

  it.each([
    [400, 'unacceptable'],
    [401, 'unauthorized'],
    [403, 'forbidden'],
    [404, 'absent'],
    [406, 'unacceptable'],
    [409, 'busy'],
    [429, 'server'],
    [500, 'server'],
    [503, 'server'],
  ] as const)('reads %d as %s', async (status, kind) => {
    expect(await refusal(new Response(null, { status }))).toMatchObject({ kind, status });
  });

  it('keeps to Retry-After', async () => {
    const error = await refusal(new Response(null, { status: 503, headers: { 'Retry-After': '3' } }));
    expect(error.retryAfterMs).toBe(3000);
  });

  it('takes 200 and a missing Location for a server that speaks something else', async () => {
    expect((await refusal(new Response(ANSWER, { status: 200, headers: { Location: '/x' } }))).kind).toBe(
      'server',
    );
    expect((await refusal(new Response(ANSWER, { status: 201 }))).kind).toBe('server');
  });

  it('calls no answer offline, without the address in the error', async () => {
    fakeServer(() => Promise.reject(new TypeError('fetch of http://clinic.test/p/whip failed')));
    const error = await Resource.create(plain, 'offer').catch((thrown: unknown) => thrown as SignalingError);
    expect(error).toMatchObject({ kind: 'offline', message: 'offline' });
  });
});

describe('Resource', () => {
  async function made(
    answer: (method: string) => Response,
  ): Promise<[Resource, ReturnType<typeof fakeServer>]> {
    const seen = fakeServer(({ method }) => (method === 'POST' ? created() : answer(method)));
    const { resource } = await Resource.create(endpoint, 'offer');
    seen.length = 0;
    return [resource, seen];
  }

  it('trickles under the ETag of its ICE session', async () => {
    const [resource, seen] = await made(() => new Response(null, { status: 204 }));
    await resource.trickle('fragment');
    expect(seen[0]).toMatchObject({
      method: 'PATCH',
      url: 'http://clinic.test/p/whip/secret',
      body: 'fragment',
    });
    expect(seen[0]?.headers.get('Content-Type')).toBe('application/trickle-ice-sdpfrag');
    expect(seen[0]?.headers.get('If-Match')).toBe('"one"');
    expect(seen[0]?.headers.get('Authorization')).toBe('Bearer secret');
  });

  it.each([405, 415, 422, 501])('asks a server that answers %d no second time', async (status) => {
    const [resource, seen] = await made(() => new Response(null, { status }));
    await resource.trickle('one');
    await resource.trickle('two');
    expect(seen).toHaveLength(1);
  });

  it('takes an outdated trickle for none, and a lost session for lost', async () => {
    let status = 412;
    const [resource] = await made(() => new Response(null, { status }));
    await expect(resource.trickle('fragment')).resolves.toBeUndefined();
    status = 404;
    await expect(resource.trickle('fragment')).rejects.toMatchObject({ kind: 'absent' });
  });

  it('restarts with If-Match "*" and goes on under the new ETag', async () => {
    const [resource, seen] = await made(
      () => new Response('theirs', { status: 200, headers: { ETag: '"two"' } }),
    );
    expect(await resource.restart('ours')).toBe('theirs');
    await resource.trickle('more');
    expect(seen.map(({ headers }) => headers.get('If-Match'))).toEqual(['"*"', '"two"']);
  });

  it.each([204, 404, 500])('takes %d for no restart', async (status) => {
    const [resource] = await made(() => new Response(null, { status }));
    await expect(resource.restart('ours')).rejects.toBeInstanceOf(SignalingError);
  });

  it('deletes in a way that outlives the page, and never throws', async () => {
    const [resource, seen] = await made(() => {
      throw new TypeError('gone');
    });
    await expect(resource.delete(true)).resolves.toBeUndefined();
    expect(seen[0]).toMatchObject({ method: 'DELETE', keepalive: true });
  });
});
