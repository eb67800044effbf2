#include "storage/key_vault.hpp"

#include "core/values/key_fingerprint.hpp"
#include "storage/encoding.hpp"
#include "storage/snapshot.hpp"

#include <sodium.h>

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>

namespace assay::storage {

namespace {

constexpr uint8_t format = 1;
constexpr uint8_t argon2id13 = 1;
constexpr std::string_view vault_place = "vault";
constexpr std::string_view key_places = "key/";
constexpr size_t salt_size = crypto_pwhash_SALTBYTES;
constexpr size_t nonce_size = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
constexpr size_t tag_size = crypto_aead_xchacha20poly1305_ietf_ABYTES;
constexpr size_t key_size = crypto_aead_xchacha20poly1305_ietf_KEYBYTES;
static_assert(key_size == crypto_kdf_KEYBYTES && key_size >= crypto_generichash_KEYBYTES_MIN
              && key_size <= crypto_generichash_KEYBYTES_MAX);
constexpr size_t padding = 64;
/// What a damaged or hostile record may ask for at most.
constexpr uint64_t most_passes = 64;
constexpr uint64_t most_memory_kib = 2 * 1024 * 1024;
constexpr size_t longest_name = 64;
constexpr size_t longest_provider = 200;
constexpr size_t longest_key = 16 * 1024;
constexpr uint32_t most_weight = 1000;

/// 32 bytes in memory that is locked, fenced and wiped.
class guarded_key {
public:
  guarded_key() : bytes_(static_cast<unsigned char*>(sodium_malloc(key_size))) {
    if (bytes_ == nullptr)
      throw std::bad_alloc();
  }
  ~guarded_key() { sodium_free(bytes_); }
  guarded_key(const guarded_key&) = delete;
  guarded_key& operator=(const guarded_key&) = delete;

  unsigned char* data() noexcept { return bytes_; }
  const unsigned char* data() const noexcept { return bytes_; }
  std::string_view view() const noexcept { return {reinterpret_cast<const char*>(bytes_), key_size}; }

private:
  unsigned char* bytes_;
};

void prepare() {
  if (sodium_init() < 0)
    throw std::runtime_error("libsodium cannot be prepared: the system has no source of randomness");
}

const unsigned char* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(std::string& text) noexcept { return reinterpret_cast<unsigned char*>(text.data()); }

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  randombytes_buf(out.data(), out.size());
  return out;
}

/// @returns nonce and sealed text, one after the other.
std::string seal(std::string_view plain, std::string_view beside, const guarded_key& key) {
  auto out = random_bytes(nonce_size);
  out.resize(nonce_size + plain.size() + tag_size);
  unsigned long long size = 0;
  crypto_aead_xchacha20poly1305_ietf_encrypt(bytes_of(out) + nonce_size, &size, bytes_of(plain), plain.size(),
                                             bytes_of(beside), beside.size(), nullptr, bytes_of(out),
                                             key.data());
  return out;
}

/// @param out Has room for sealed.size() - nonce_size - tag_size bytes.
/// @returns whether the key is the right one and nothing was changed.
bool unseal(std::string_view sealed, std::string_view beside, const guarded_key& key, unsigned char* out) {
  unsigned long long size = 0;
  return crypto_aead_xchacha20poly1305_ietf_decrypt(out, &size, nullptr, bytes_of(sealed) + nonce_size,
                                                    sealed.size() - nonce_size, bytes_of(beside),
                                                    beside.size(), bytes_of(sealed), key.data())
         == 0;
}

// -- records

/// What is stored of the vault itself.
struct vault_record {
  vault_cost cost;
  std::string salt;
  std::string sealed; ///< The data key.
};

/// Everything but the sealed part; authenticated with it.
std::string head_of(const vault_record& record) {
  std::string out;
  byte_writer writer(out);
  writer.u8(format);
  writer.u8(argon2id13);
  writer.varint(record.cost.passes);
  writer.varint(record.cost.memory_kib);
  writer.raw(record.salt);
  return out;
}

fault damaged(std::string what) {
  return {errc::store_unreadable,
          "the stored " + std::move(what) + " is damaged",
          {},
          "restore the data folder from a backup"};
}

fault too_new() {
  return {errc::store_incompatible,
          "the stored keys were written by a later version of assay",
          {},
          "use the version that wrote them"};
}

result<vault_record> read_vault(std::string_view bytes) {
  byte_reader in(bytes);
  const auto version = in.u8();
  const auto derivation = in.u8();
  if (in.ok() && (version != format || derivation != argon2id13))
    return too_new();
  vault_record out;
  out.cost.passes = static_cast<uint32_t>(in.varint_up_to(most_passes));
  out.cost.memory_kib = static_cast<uint32_t>(in.varint_up_to(most_memory_kib));
  const auto rest = in.rest();
  if (!in.ok() || out.cost.passes < crypto_pwhash_OPSLIMIT_MIN
      || size_t{out.cost.memory_kib} * 1024 < crypto_pwhash_MEMLIMIT_MIN
      || rest.size() != salt_size + nonce_size + key_size + tag_size)
    return damaged("vault of provider keys");
  out.salt = rest.substr(0, salt_size);
  out.sealed = rest.substr(salt_size);
  return out;
}

std::string place_of(const provider_id& provider, const std::string& name) {
  return std::string(key_places) + provider.value + "/" + name;
}

std::string encode(const stored_key& key) {
  std::string out;
  byte_writer writer(out);
  writer.text(key.provider.value);
  writer.text(key.name);
  writer.text(key.origin);
  writer.varint(key.weight);
  writer.varint(key.limits.requests_per_minute);
  writer.varint(key.limits.tokens_per_minute);
  writer.varint(key.limits.requests_per_second);
  writer.varint(key.limits.concurrent_requests);
  writer.varint(key.prompt_types.size());
  for (const auto& type : key.prompt_types)
    writer.text(type);
  writer.signed_varint(key.created_at.time_since_epoch().count());
  writer.text(key.fingerprint);
  return out;
}

/// A row of the table, taken apart but not unsealed.
struct key_row {
  stored_key about;
  std::string clear; ///< The encoded form of `about`.
  std::string sealed;
};

bool decode(std::string_view bytes, stored_key& out) {
  constexpr uint64_t most = std::numeric_limits<uint32_t>::max();
  byte_reader in(bytes);
  out.provider.value = in.text();
  out.name = in.text();
  out.origin = in.text();
  out.weight = static_cast<uint32_t>(in.varint_up_to(most_weight));
  out.limits.requests_per_minute = static_cast<uint32_t>(in.varint_up_to(most));
  out.limits.tokens_per_minute = static_cast<uint32_t>(in.varint_up_to(most));
  out.limits.requests_per_second = static_cast<uint32_t>(in.varint_up_to(most));
  out.limits.concurrent_requests = static_cast<uint32_t>(in.varint_up_to(most));
  // Each text takes a byte at least, so that a wrong count cannot ask for much.
  for (auto count = in.varint_up_to(in.left()); count > 0 && in.ok(); --count)
    out.prompt_types.emplace_back(in.text());
  out.created_at = wall_time{milliseconds{in.signed_varint()}};
  out.fingerprint = in.text();
  return in.complete();
}

result<key_row> read_key(const std::string& place, std::string_view bytes) {
  byte_reader in(bytes);
  const auto version = in.u8();
  if (in.ok() && version != format)
    return too_new();
  key_row out;
  out.clear = in.text();
  out.sealed = in.rest();
  const bool whole = in.ok() && out.sealed.size() >= nonce_size + tag_size + padding
                     && (out.sealed.size() - nonce_size - tag_size) % padding == 0
                     && decode(out.clear, out.about);
  if (!whole || place != place_of(out.about.provider, out.about.name))
    return damaged("provider key " + place.substr(key_places.size()));
  return out;
}

/// What is authenticated with a key: where it stands and what is said of it.
std::string beside_key(const std::string& place, std::string_view clear) {
  std::string out;
  byte_writer writer(out);
  writer.u8(format);
  writer.text(place);
  writer.text(clear);
  return out;
}

result<std::vector<key_row>> read_keys(const std::shared_ptr<store>& from) {
  std::vector<key_row> out;
  document_query query;
  query.prefix = key_places;
  do {
    auto view = snapshot::open(from);
    if (!view)
      return view.error();
    const auto page = view->page_documents(table::provider_keys, query);
    if (!page)
      return page.error();
    for (const auto& [place, stored] : page->documents) {
      auto row = read_key(place, stored.bytes);
      if (!row)
        return row.error();
      out.push_back(std::move(*row));
    }
    query.after = page->next;
  } while (query.after);
  return out;
}

result<std::optional<document>> find_vault(const std::shared_ptr<store>& from) {
  auto view = snapshot::open(from);
  if (!view)
    return view.error();
  return view->find_document(table::provider_keys, vault_place);
}

result<void> derive(const secret& password, const vault_record& record, guarded_key& out) {
  const auto& text = password.reveal();
  if (crypto_pwhash(out.data(), key_size, text.data(), text.size(), bytes_of(record.salt), record.cost.passes,
                    size_t{record.cost.memory_kib} * 1024, crypto_pwhash_ALG_ARGON2ID13)
      != 0)
    return fault{errc::busy,
                 "no memory to check the master password: it takes "
                     + std::to_string(record.cost.memory_kib / 1024) + " MiB",
                 {},
                 "try again when the machine has more free"};
  return {};
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'
           || c == '-';
  });
}

result<void> check(const stored_key& about, const secret& key) {
  const auto wrong = [](std::string message, std::string where, std::string hint) {
    return fault{errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
  };
  if (!is_name(about.name))
    return wrong("a key's name has 1 to 64 letters, digits and . _ -", "name", {});
  if (about.provider.empty() || about.provider.value.size() > longest_provider)
    return wrong("the provider's name has 1 to 200 bytes", "provider", {});
  if (about.origin.empty())
    return wrong("the key is bound to no host", "origin", "give the provider an address first");
  if (about.weight == 0 || about.weight > most_weight)
    return wrong("a weight is a number from 1 to 1000", "weight", {});
  const auto& text = key.reveal();
  if (text.empty() || text.size() > longest_key)
    return wrong("a key has 1 to 16384 bytes", "key", {});
  if (std::ranges::any_of(text, [](unsigned char c) { return c <= ' ' || c == 0x7F; }))
    return wrong("the key holds blanks or control characters", "key", "copy the key alone, on one line");
  return {};
}

} // namespace

/// What the data key opens.
struct key_vault::keys {
  guarded_key sealing;
  guarded_key fingerprints;

  explicit keys(const guarded_key& data) {
    // Numbers and context are part of the format.
    constexpr const char* context = "assaykey";
    static_assert(crypto_kdf_CONTEXTBYTES == 8);
    crypto_kdf_derive_from_key(sealing.data(), key_size, 1, context, data.data());
    crypto_kdf_derive_from_key(fingerprints.data(), key_size, 2, context, data.data());
  }
};

key_vault::key_vault(std::unique_ptr<keys> made) : keys_(std::move(made)) {}
key_vault::~key_vault() = default;
key_vault::key_vault(key_vault&&) noexcept = default;
key_vault& key_vault::operator=(key_vault&&) noexcept = default;

result<std::vector<stored_key>> list_keys(const std::shared_ptr<store>& from) {
  auto rows = read_keys(from);
  if (!rows)
    return rows.error();
  std::vector<stored_key> out;
  out.reserve(rows->size());
  for (auto& row : *rows)
    out.push_back(std::move(row.about));
  return out;
}

result<bool> has_vault(const std::shared_ptr<store>& from) {
  const auto found = find_vault(from);
  if (!found)
    return found.error();
  return found->has_value();
}

void remove_key(const provider_id& provider, const std::string& name, write_batch& into) {
  into.erase_document(table::provider_keys, place_of(provider, name));
}

void remove_vault(write_batch& into) { into.erase_document(table::provider_keys, std::string(vault_place)); }

result<key_vault> key_vault::open(const std::shared_ptr<store>& from, const secret& password) {
  prepare();
  const auto stored = find_vault(from);
  if (!stored)
    return stored.error();
  if (!*stored)
    return fault{errc::not_found, "no provider key is stored", {}, "`assay keys add` stores one"};
  const auto record = read_vault((*stored)->bytes);
  if (!record)
    return record.error();
  guarded_key from_password;
  if (auto derived = derive(password, *record, from_password); !derived)
    return derived.error();
  guarded_key data;
  if (!unseal(record->sealed, head_of(*record), from_password, data.data()))
    return fault{errc::unauthenticated,
                 "the master password is wrong",
                 {},
                 "it is the one that was given when the first key was stored"};
  return key_vault(std::make_unique<keys>(data));
}

result<key_vault> key_vault::create(const secret& password, const vault_cost& cost, write_batch& into) {
  prepare();
  if (password.reveal().size() < shortest_master_password)
    return fault{errc::invalid_argument,
                 "the master password has fewer than " + std::to_string(shortest_master_password)
                     + " characters",
                 {},
                 "choose a longer one; whoever has a copy of the data folder can try passwords at leisure"};
  vault_record record{cost, random_bytes(salt_size), {}};
  guarded_key from_password;
  if (auto derived = derive(password, record, from_password); !derived)
    return derived.error();
  guarded_key data;
  randombytes_buf(data.data(), key_size);
  const auto head = head_of(record);
  into.put_document(table::provider_keys, std::string(vault_place),
                    head + seal(data.view(), head, from_password), document_condition::if_absent());
  return key_vault(std::make_unique<keys>(data));
}

result<void> key_vault::add(stored_key& about, const secret& key, write_batch& into) const {
  if (auto good = check(about, key); !good)
    return good;
  about.fingerprint = key_fingerprint(key, keys_->fingerprints.view());
  const auto place = place_of(about.provider, about.name);
  const auto clear = encode(about);
  // ISO/IEC 7816-4: 0x80, then zeros; there is always at least one byte.
  std::string plain(key.reveal().size() / padding * padding + padding, '\0');
  key.reveal().copy(plain.data(), plain.size());
  plain[key.reveal().size()] = static_cast<char>(0x80);
  std::string bytes;
  byte_writer writer(bytes);
  writer.u8(format);
  writer.text(clear);
  writer.raw(seal(plain, beside_key(place, clear), keys_->sealing));
  sodium_memzero(plain.data(), plain.size());
  into.put_document(table::provider_keys, place, std::move(bytes), document_condition::if_absent());
  return {};
}

result<std::vector<opened_key>> key_vault::open_all(const std::shared_ptr<store>& from) const {
  auto rows = read_keys(from);
  if (!rows)
    return rows.error();
  std::vector<opened_key> out;
  out.reserve(rows->size());
  for (auto& row : *rows) {
    const auto place = place_of(row.about.provider, row.about.name);
    std::string plain(row.sealed.size() - nonce_size - tag_size, '\0');
    size_t size = 0;
    if (!unseal(row.sealed, beside_key(place, row.clear), keys_->sealing, bytes_of(plain))
        || sodium_unpad(&size, bytes_of(plain), plain.size(), padding) != 0)
      return fault{errc::store_unreadable,
                   "the stored key " + row.about.name + " of provider " + row.about.provider.value
                       + " was changed by somebody else than assay",
                   {},
                   "remove it with `assay keys remove` and add it again"};
    plain.resize(size);
    out.push_back({std::move(row.about), secret{std::move(plain)}});
  }
  return out;
}

} // namespace assay::storage
