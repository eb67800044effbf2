#pragma once

#include "protocol/inspect.hpp"

#include <string>
#include <vector>

namespace assay {

/// Where a cached answer stands in the order of use.
struct cache_entry {
  std::string question;
  wall_time used_at{};
  uint32_t bytes = 0;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cache_entry& x) {
  return f(caf::meta::type_name("cache_entry"), x.question, x.used_at, x.bytes);
}

/// INTERNAL: how much the response cache holds, counted by a worker.
struct cache_counted {
  uint64_t answers = 0;
  uint64_t bytes = 0;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cache_counted& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("cache_counted"), x.answers, x.bytes, error);
}

/// INTERNAL: the least recently used answers, found by a worker.
struct cache_oldest_found {
  std::vector<cache_entry> entries;
  std::optional<fault> error;
};

template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, cache_oldest_found& x) {
  auto error = field(x.error);
  return f(caf::meta::type_name("cache_oldest_found"), x.entries, error);
}

} // namespace assay
