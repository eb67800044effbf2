#include "core/monitoring/retry_tally.hpp"

#include <algorithm>

namespace assay::monitoring {

namespace {

void count(retry_outcomes& into, bool succeeded) noexcept {
  ++into.made;
  into.succeeded += succeeded ? 1 : 0;
}

void halve(retry_outcomes& counts) noexcept {
  counts.made /= 2;
  counts.succeeded /= 2;
}

void halve(retry_counts& counts) noexcept {
  counts.failed /= 2;
  counts.given_up /= 2;
  counts.waited /= 2;
  halve(counts.retries);
  halve(counts.after_shorter);
  halve(counts.after_longer);
  std::ranges::for_each(counts.by_number, [](retry_outcomes& one) { halve(one); });
}

} // namespace

void retry_tally::add(const provider_id& provider, const std::vector<failed_try_seen>& failed,
                      bool answered) {
  auto& all = providers_[provider];
  ++all.calls;
  if (!answered)
    ++all.given_up;
  else
    ++(failed.empty() ? all.at_once : all.recovered);
  for (size_t i = 0; i < failed.size(); ++i) {
    const auto& one = failed[i];
    auto& counts = subjects_[{provider, one.error, one.strategy}];
    const bool last = i + 1 == failed.size();
    ++counts.failed;
    if (last && !answered) {
      ++counts.given_up;
    } else {
      const bool succeeded = last;
      counts.waited += one.waited;
      count(counts.retries, succeeded);
      count(counts.by_number[std::min(i, retry_counts::numbers - 1)], succeeded);
      if (one.half != wait_half::unknown)
        count(one.half == wait_half::shorter ? counts.after_shorter : counts.after_longer, succeeded);
    }
    if (forget_at_ > 0 && counts.failed >= forget_at_)
      halve(counts);
  }
}

void retry_tally::forget(const provider_id& provider, errc error) {
  std::erase_if(subjects_, [&](const auto& entry) {
    return entry.first.provider == provider && entry.first.error == error;
  });
}

} // namespace assay::monitoring
