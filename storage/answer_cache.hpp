#pragma once

#include "core/values/model.hpp"
#include "core/values/money.hpp"
#include "core/values/sample.hpp"
#include "core/values/shared_text.hpp"
#include "core/values/time.hpp"
#include "storage/snapshot.hpp"
#include "storage/write_batch.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The rows of table response_cache. Each answer has two: the answer under its question's key, and a row
/// whose key says when it was last used and how large it is, so that the least recently used ones are found,
/// and counted, without reading an answer. Both are written in one batch by one owner, who tells the next use
/// to both.
namespace assay::storage {

/// An answer as the cache keeps it.
struct cached_answer {
  shared_text answer;
  finish_reason finish = finish_reason::unknown;
  token_usage usage;
  bool usage_estimated = false;
  std::optional<money> cost; ///< What it cost when it was asked for.
  uint16_t http_status = 0;
  std::string served_model;
  std::string request_id;
  bool simulated = false;
  wall_time stored_at{};
  wall_time used_at{}; ///< As in the row that keeps the order.
  uint32_t bytes = 0;  ///< Likewise: what it counts for. Not stored with the answer.
};

bool operator==(const cached_answer& a, const cached_answer& b) noexcept;

/// What the row that keeps the order says.
struct cache_place {
  wall_time used_at{};
  uint32_t bytes = 0;
  std::string question; ///< The key of the question.

  bool operator==(const cache_place&) const = default;
};

/// @returns where the answer to @p question stands.
std::string cached_answer_row(std::string_view question);
/// @returns the key of the row that keeps the order; keys rise with the time of use.
std::string cache_order_row(const cache_place& place);
/// @returns nothing for a key that is no such row.
std::optional<cache_place> parse_cache_order_row(std::string_view key);

std::string encode_cached_answer(const cached_answer& value);
/// @returns errc::store_unreadable for bytes that no version wrote.
result<cached_answer> decode_cached_answer(std::string_view bytes);

/// @returns what an encoded answer of this size counts for, with its keys and the pages around them.
uint32_t cached_bytes(std::string_view encoded) noexcept;

/// A point read. Nothing when there is no answer, and when it is damaged: asking again mends it.
result<std::optional<cached_answer>> find_cached_answer(snapshot& view, std::string_view question);

struct cache_place_page {
  std::vector<cache_place> places; ///< Least recently used first.
  std::optional<std::string> next; ///< `after` of the next page.
};

/// @param limit At most max_page_rows.
result<cache_place_page> page_cache_places(snapshot& view, const std::optional<std::string>& after,
                                           size_t limit);

/// How much the cache holds.
struct cache_size {
  uint64_t answers = 0;
  uint64_t bytes = 0;
  std::optional<wall_time> oldest_use;
  std::optional<wall_time> newest_use;

  bool operator==(const cache_size&) const = default;
};

/// Counts in pages, each in a snapshot of its own. For worker threads.
result<cache_size> measure_answer_cache(const std::shared_ptr<store>& which);

/// Removes every row, also damaged ones, a bounded number in each batch.
/// @param write Returns when the batch is durable, or why it is not.
/// @returns how many answers there were.
result<uint64_t> clear_answer_cache(const std::shared_ptr<store>& which,
                                    const std::function<result<void>(write_batch&&)>& write);

} // namespace assay::storage
