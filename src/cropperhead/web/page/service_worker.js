// Keeps the page's files, so that it works without its server and a second visit loads nothing.
// The server puts VERSION and FILES in front, which change with any of them.

const CACHE = `cropperhead-${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(fill().then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(tidy().then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const isOurs = origin === self.location.origin && FILES.includes(pathname);
  if (request.method === "GET" && isOurs) event.respondWith(answer(event, pathname));
});

async function fill() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES);
}

async function tidy() {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith("cropperhead-") && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

// A review's page always comes from its server, and so do its scripts: they belong together.
async function answer({ request, clientId }, pathname) {
  const client = clientId ? await self.clients.get(clientId) : null;
  const isReview = client && new URL(client.url).pathname.startsWith("/review");
  const cache = await caches.open(CACHE);
  return (isReview ? null : await cache.match(pathname)) ?? fetch(request);
}
