#pragma once

#include "config/settings.hpp"
#include "core/values/errors.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace assay::cli {

/// A split of a dataset on a hub, and the file that its rows go to.
struct dataset_wish {
  std::string name;             ///< `openai/gsm8k`
  std::string part = "default"; ///< Which of the dataset's configurations.
  std::string split = "test";
  std::string file; ///< JSONL. While it is incomplete it is called `<file>.part`.
  std::string base_url = "https://datasets-server.huggingface.co";
  uint64_t limit = 1'000'000; ///< Rows at most.
};

/// What came of it.
struct dataset_fetched {
  uint64_t rows = 0;    ///< In the file.
  uint64_t resumed = 0; ///< Of those, how many an earlier attempt had left.
  bool cut = false;     ///< The split has more rows than the limit.
};

/// GET, below the base URL. @returns the body of a 200. Fails with what happened otherwise.
using page_getter = std::function<result<std::string>(const std::string& target)>;

/// @returns the getter over HTTP, with the configured proxy and certificates; blocks.
result<page_getter> make_page_getter(const std::string& base_url, const config::network_settings& network);

/// Fetches the rows, a hundred at a time, from an API with the pages of Hugging Face's datasets server
/// (GET /rows?dataset=&config=&split=&offset=&length=). Goes on where an earlier attempt ended.
/// @param progress Called with the rows that are there and those that there are.
/// Fails with errc::malformed_answer, errc::store_failed for a file that cannot be written, and what @p get
/// fails with; the rows that came before stay for the next attempt.
result<dataset_fetched> fetch_dataset(const dataset_wish& wish, const page_getter& get,
                                      const std::function<void(uint64_t, uint64_t)>& progress = {});

} // namespace assay::cli
