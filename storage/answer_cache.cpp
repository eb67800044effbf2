#include "storage/answer_cache.hpp"

#include "storage/encoding.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>

namespace assay::storage {

namespace {

constexpr uint8_t answer_version = 1;
constexpr std::string_view answer_prefix = "a";
constexpr std::string_view order_prefix = "u";
constexpr size_t time_bytes = 8;
constexpr size_t size_bytes = 4;
/// Two keys, two documents' heads, and their share of half-filled pages.
constexpr size_t bytes_beside = 256;
constexpr size_t rows_per_batch = 500;

constexpr uint8_t usage_estimated_bit = 1;
constexpr uint8_t simulated_bit = 2;
constexpr uint8_t cost_bit = 4;

void append_big_endian(std::string& out, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i-- > 0;)
    out.push_back(static_cast<char>(value >> (8 * i)));
}

uint64_t read_big_endian(std::string_view bytes) noexcept {
  uint64_t value = 0;
  for (const unsigned char byte : bytes)
    value = (value << 8) | byte;
  return value;
}

/// Times before 1970 do not happen; a clock that says so must not turn the order around.
uint64_t milliseconds_of(wall_time time) noexcept {
  return static_cast<uint64_t>(std::max<int64_t>(time.time_since_epoch().count(), 0));
}

fault damaged() { return {errc::store_unreadable, "a cached answer is damaged", "response_cache", {}}; }

uint32_t read_u32(byte_reader& in) noexcept {
  return static_cast<uint32_t>(in.varint_up_to(std::numeric_limits<uint32_t>::max()));
}

auto tied(const cached_answer& x) noexcept {
  return std::tie(x.answer, x.finish, x.usage, x.usage_estimated, x.cost, x.http_status, x.served_model,
                  x.request_id, x.simulated, x.stored_at, x.used_at);
}

} // namespace

bool operator==(const cached_answer& a, const cached_answer& b) noexcept { return tied(a) == tied(b); }

std::string cached_answer_row(std::string_view question) {
  return std::string(answer_prefix).append(question);
}

std::string cache_order_row(const cache_place& place) {
  std::string key(order_prefix);
  append_big_endian(key, milliseconds_of(place.used_at), time_bytes);
  append_big_endian(key, place.bytes, size_bytes);
  return key.append(place.question);
}

std::optional<cache_place> parse_cache_order_row(std::string_view key) {
  constexpr size_t head = order_prefix.size() + time_bytes + size_bytes;
  if (!key.starts_with(order_prefix) || key.size() <= head)
    return std::nullopt;
  const auto time = read_big_endian(key.substr(order_prefix.size(), time_bytes));
  if (time > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    return std::nullopt;
  cache_place place;
  place.used_at = wall_time{milliseconds{static_cast<int64_t>(time)}};
  place.bytes =
      static_cast<uint32_t>(read_big_endian(key.substr(order_prefix.size() + time_bytes, size_bytes)));
  place.question = key.substr(head);
  return place;
}

std::string encode_cached_answer(const cached_answer& value) {
  std::string bytes;
  byte_writer out(bytes);
  out.u8(answer_version);
  uint8_t flags = 0;
  flags |= value.usage_estimated ? usage_estimated_bit : 0;
  flags |= value.simulated ? simulated_bit : 0;
  flags |= value.cost ? cost_bit : 0;
  out.u8(flags);
  out.u8(static_cast<uint8_t>(value.finish));
  out.varint(value.usage.prompt_tokens);
  out.varint(value.usage.completion_tokens);
  out.varint(value.usage.cached_tokens);
  out.varint(value.usage.reasoning_tokens);
  if (value.cost)
    out.signed_varint(value.cost->nanodollars);
  out.varint(value.http_status);
  out.signed_varint(value.stored_at.time_since_epoch().count());
  out.signed_varint(value.used_at.time_since_epoch().count());
  out.text(value.served_model);
  out.text(value.request_id);
  out.text(value.answer);
  return bytes;
}

result<cached_answer> decode_cached_answer(std::string_view bytes) {
  byte_reader in(bytes);
  // What a newer version wrote is of no use to this one, and is replaced like a damaged row.
  if (in.u8() != answer_version)
    return damaged();
  cached_answer value;
  const uint8_t flags = in.u8();
  value.usage_estimated = (flags & usage_estimated_bit) != 0;
  value.simulated = (flags & simulated_bit) != 0;
  value.finish = static_cast<finish_reason>(in.u8());
  if (value.finish > finish_reason::tool_calls)
    in.fail();
  value.usage.prompt_tokens = read_u32(in);
  value.usage.completion_tokens = read_u32(in);
  value.usage.cached_tokens = read_u32(in);
  value.usage.reasoning_tokens = read_u32(in);
  if ((flags & cost_bit) != 0)
    value.cost = money{in.signed_varint()};
  value.http_status = static_cast<uint16_t>(in.varint_up_to(std::numeric_limits<uint16_t>::max()));
  value.stored_at = wall_time{milliseconds{in.signed_varint()}};
  value.used_at = wall_time{milliseconds{in.signed_varint()}};
  value.served_model = in.text();
  value.request_id = in.text();
  value.answer = shared_text(in.text());
  if (!in.complete())
    return damaged();
  value.bytes = cached_bytes(bytes);
  return value;
}

uint32_t cached_bytes(std::string_view encoded) noexcept {
  return static_cast<uint32_t>(
      std::min<size_t>(encoded.size() + bytes_beside, std::numeric_limits<uint32_t>::max()));
}

result<std::optional<cached_answer>> find_cached_answer(snapshot& view, std::string_view question) {
  const auto stored = view.find_document(table::response_cache, cached_answer_row(question));
  if (!stored) {
    if (stored.error().code == errc::store_unreadable || stored.error().code == errc::store_incompatible)
      return std::optional<cached_answer>{};
    return stored.error();
  }
  if (!*stored)
    return std::optional<cached_answer>{};
  auto value = decode_cached_answer((*stored)->bytes);
  return value ? std::optional<cached_answer>(std::move(*value)) : std::nullopt;
}

result<cache_place_page> page_cache_places(snapshot& view, const std::optional<std::string>& after,
                                           size_t limit) {
  document_query query;
  query.prefix = order_prefix;
  query.after = after;
  query.limit = limit;
  auto keys = view.page_document_keys(table::response_cache, query);
  if (!keys)
    return keys.error();
  cache_place_page page;
  page.next = std::move(keys->next);
  for (const auto& key : keys->keys)
    if (auto place = parse_cache_order_row(key))
      page.places.push_back(std::move(*place));
  return page;
}

result<cache_size> measure_answer_cache(const std::shared_ptr<store>& which) {
  cache_size out;
  std::optional<std::string> after;
  do {
    auto view = snapshot::open(which);
    if (!view)
      return view.error();
    auto page = page_cache_places(*view, after, max_page_rows);
    if (!page)
      return page.error();
    out.answers += page->places.size();
    for (const auto& place : page->places)
      out.bytes += place.bytes;
    if (!page->places.empty()) {
      if (!out.oldest_use)
        out.oldest_use = page->places.front().used_at;
      out.newest_use = page->places.back().used_at;
    }
    after = std::move(page->next);
  } while (after);
  return out;
}

result<uint64_t> clear_answer_cache(const std::shared_ptr<store>& which,
                                    const std::function<result<void>(write_batch&&)>& write) {
  uint64_t answers = 0;
  document_query query;
  query.limit = rows_per_batch;
  for (;;) {
    write_batch batch;
    {
      auto view = snapshot::open(which);
      if (!view)
        return view.error();
      auto page = view->page_document_keys(table::response_cache, query);
      if (!page)
        return page.error();
      for (auto& key : page->keys) {
        answers += key.starts_with(answer_prefix) ? 1 : 0;
        batch.erase_document(table::response_cache, std::move(key));
      }
      query.after = std::move(page->next);
    }
    if (!batch.documents.empty())
      if (auto written = write(std::move(batch)); !written)
        return written.error();
    if (!query.after)
      return answers;
  }
}

} // namespace assay::storage
