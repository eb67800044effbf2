#include "mock/answer_book.hpp"

#include "mock/hash.hpp"

#include <algorithm>

namespace assay::mock {

indexed_answer_book::place indexed_answer_book::store(std::string_view right, std::string_view wrong) {
  const place answers{block_.size(), static_cast<uint32_t>(right.size()),
                      static_cast<uint32_t>(wrong.size())};
  block_.append(right).append(wrong);
  return answers;
}

void indexed_answer_book::add(std::string_view user_text, place answers, double bonus) {
  entries_.push_back({hash_text(user_text), answers, static_cast<float>(bonus)});
}

void indexed_answer_book::seal() {
  const auto by_key = [](const entry& a, const entry& b) { return a.key < b.key; };
  std::stable_sort(entries_.begin(), entries_.end(), by_key);
  const auto same = [](const entry& a, const entry& b) { return a.key == b.key; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  entries_.shrink_to_fit();
  block_.shrink_to_fit();
}

std::optional<known_answer> indexed_answer_book::find(std::string_view user_text) const {
  const auto key = hash_text(user_text);
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), key,
                                      [](const entry& a, uint64_t b) { return a.key < b; });
  if (found == entries_.end() || found->key != key)
    return {};
  const std::string_view block = block_;
  const auto& at = found->answers;
  return known_answer{block.substr(at.offset, at.right), block.substr(at.offset + at.right, at.wrong),
                      found->bonus};
}

} // namespace assay::mock
