#include "core/scoring/words.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace assay::scoring {
namespace {

constexpr int longest_shift = 10;
constexpr int farthest_shift = 50;
constexpr int most_candidates = 1000;
constexpr int beam = 25;
constexpr size_t shifted_words = 1000;
constexpr uint64_t most_cells = 20'000'000;
constexpr int64_t unreached = int64_t{1} << 50U;

enum class step : uint8_t { none, keep, replace, insert, remove };

using words = std::vector<uint32_t>;
using word_span = std::span<const uint32_t>;

/// Edit distances from one reference in a band around the diagonal, as Tercom and sacrebleu search them.
class band {
public:
  band(word_span reference, size_t rows) : reference_(reference), rows_(rows) {
    const double columns = static_cast<double>(reference.size());
    ratio_ = rows > 0 ? columns / static_cast<double>(rows) : 1;
    width_ = beam < ratio_ / 2 ? static_cast<int64_t>(std::ceil(ratio_ / 2 + beam)) : beam;
    costs_.resize(rows + 1);
    steps_.resize(rows + 1);
    for (size_t j = 0; j <= reference.size(); ++j) {
      costs_[0].push_back(static_cast<int64_t>(j));
      steps_[0].push_back(step::insert);
    }
  }

  /// @param from The first row that differs from what was computed last. @returns the whole distance.
  int64_t compute(word_span candidate, size_t from = 0) {
    for (size_t i = from + 1; i <= rows_; ++i)
      fill(i, candidate[i - 1]);
    return cost(rows_, static_cast<int64_t>(reference_.size()));
  }

  uint64_t cells() const {
    return (reference_.size() + 1) + static_cast<uint64_t>(rows_) * (2 * static_cast<uint64_t>(width_) + 1);
  }

  /// The steps of the last computation from the beginning to the end.
  std::vector<step> trace() const {
    std::vector<step> out;
    size_t i = rows_;
    auto j = static_cast<int64_t>(reference_.size());
    while (i > 0 || j > 0) {
      const step taken = steps_[i][static_cast<size_t>(j - first(i))];
      out.push_back(taken);
      if (taken == step::insert) {
        --j;
      } else if (taken == step::remove) {
        --i;
      } else if (taken == step::none) {
        break;
      } else {
        --i;
        --j;
      }
    }
    std::reverse(out.begin(), out.end());
    return out;
  }

private:
  int64_t diagonal(size_t i) const {
    return static_cast<int64_t>(std::floor(static_cast<double>(i) * ratio_));
  }
  int64_t first(size_t i) const { return i == 0 ? 0 : std::max<int64_t>(0, diagonal(i) - width_); }
  int64_t end(size_t i) const {
    const auto all = static_cast<int64_t>(reference_.size()) + 1;
    return i == 0 || i == rows_ ? all : std::min(all, diagonal(i) + width_);
  }
  int64_t cost(size_t i, int64_t j) const {
    const int64_t begin = first(i);
    return j < begin || j - begin >= static_cast<int64_t>(costs_[i].size())
               ? unreached
               : costs_[i][static_cast<size_t>(j - begin)];
  }

  void fill(size_t i, uint32_t word) {
    const int64_t begin = first(i);
    const int64_t stop = std::max(begin, end(i));
    costs_[i].assign(static_cast<size_t>(stop - begin), unreached);
    steps_[i].assign(static_cast<size_t>(stop - begin), step::none);
    for (int64_t j = begin; j < stop; ++j) {
      int64_t& best = costs_[i][static_cast<size_t>(j - begin)];
      step& taken = steps_[i][static_cast<size_t>(j - begin)];
      const auto offer = [&](int64_t price, step how) {
        if (price < best) {
          best = price;
          taken = how;
        }
      };
      if (j > 0) {
        const bool same = word == reference_[static_cast<size_t>(j - 1)];
        offer(cost(i - 1, j - 1) + (same ? 0 : 1), same ? step::keep : step::replace);
      }
      offer(cost(i - 1, j) + 1, step::remove);
      if (j > 0)
        offer(cost(i, j - 1) + 1, step::insert);
    }
  }

  word_span reference_;
  size_t rows_;
  double ratio_ = 1;
  int64_t width_ = beam;
  std::vector<std::vector<int64_t>> costs_;
  std::vector<std::vector<step>> steps_;
};

/// Where the reference's words stand in the candidate, and which words of either are wrong.
struct alignment {
  std::vector<int> places;          ///< By word of the reference; -1 before the first.
  std::vector<int> wrong_reference; ///< Sums up to each word.
  std::vector<int> wrong_candidate;
};

alignment align(const std::vector<step>& trace) {
  alignment out;
  out.wrong_reference.push_back(0);
  out.wrong_candidate.push_back(0);
  int at = -1;
  for (const step taken : trace) {
    const int wrong = taken == step::keep ? 0 : 1;
    if (taken != step::insert) {
      ++at;
      out.wrong_candidate.push_back(out.wrong_candidate.back() + wrong);
    }
    if (taken != step::remove) {
      out.places.push_back(at);
      out.wrong_reference.push_back(out.wrong_reference.back() + wrong);
    }
  }
  return out;
}

words moved(const words& from, size_t start, size_t length, size_t target) {
  words out = from;
  const auto begin = out.begin();
  const auto at = [&](size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
  if (target < start)
    std::rotate(at(target), at(start), at(start + length));
  else if (target > start + length)
    std::rotate(at(start), at(start + length), at(target));
  else // the target counts the words that are left when the group is taken out
    std::rotate(at(start), at(start + length), at(std::min(out.size(), length + target)));
  return out;
}

/// A shift and what it gains.
struct shift {
  int64_t gain = 0;
  int length = 0;
  int start = 0;
  int target = 0;

  bool better_than(const shift& other) const {
    if (gain != other.gain)
      return gain > other.gain;
    if (length != other.length)
      return length > other.length;
    if (start != other.start)
      return start < other.start;
    return target < other.target;
  }
};

class shift_search {
public:
  shift_search(word_span reference, size_t rows)
      : reference_(reference), base_(reference, rows), trial_(reference, rows) {}

  /// @returns the best shift of @p candidate; nothing when there is none to try.
  std::optional<shift> best_of(const words& candidate) {
    distance_ = base_.compute(candidate);
    alignment_ = align(base_.trace());
    best_.reset();
    const int count = static_cast<int>(candidate.size());
    const int wanted = static_cast<int>(reference_.size());
    for (int start = 0; start < count; ++start)
      for (int place = std::max(0, start - farthest_shift); place < wanted && place <= start + farthest_shift;
           ++place)
        for (int length = 1; length <= longest_shift && start + length <= count && place + length <= wanted
                             && candidate[static_cast<size_t>(start + length - 1)]
                                    == reference_[static_cast<size_t>(place + length - 1)];
             ++length) {
          if (!worth_trying(start, place, length))
            continue;
          try_targets(candidate, start, place, length);
          if (spent())
            return best_;
        }
    return best_;
  }

  bool spent() const { return tried_ >= most_candidates; }
  int64_t distance(const words& candidate) { return base_.compute(candidate); }

private:
  bool worth_trying(int start, int place, int length) const {
    const auto sum = [&](const std::vector<int>& wrong, int from) {
      return wrong[static_cast<size_t>(from + length)] - wrong[static_cast<size_t>(from)];
    };
    const int now = alignment_.places[static_cast<size_t>(place)];
    return sum(alignment_.wrong_candidate, start) != 0 && sum(alignment_.wrong_reference, place) != 0
           && !(start <= now && now < start + length);
  }

  void try_targets(const words& candidate, int start, int place, int length) {
    int before = -1;
    for (int offset = -1; offset < length; ++offset) {
      int target = 0;
      if (place + offset >= static_cast<int>(alignment_.places.size()))
        break;
      if (place + offset >= 0)
        target = alignment_.places[static_cast<size_t>(place + offset)] + 1;
      if (target == before)
        continue;
      before = target;
      const words shifted = moved(candidate, static_cast<size_t>(start), static_cast<size_t>(length),
                                  static_cast<size_t>(target));
      const shift one{distance_ - trial_.compute(shifted), length, start, target};
      ++tried_;
      if (!best_ || one.better_than(*best_))
        best_ = one;
    }
  }

  word_span reference_;
  band base_;
  band trial_;
  alignment alignment_;
  std::optional<shift> best_;
  int64_t distance_ = 0;
  int tried_ = 0;
};

} // namespace

edit_rate translation_edits(word_span candidate, word_span reference) {
  if (reference.empty())
    return {candidate.size(), 0};
  if (candidate.empty())
    return {reference.size(), reference.size()};
  if (candidate.size() > shifted_words || reference.size() > shifted_words) {
    band whole(reference, candidate.size());
    // Beyond any text that a model writes: every word counts as an edit.
    if (whole.cells() > most_cells)
      return {std::max(candidate.size(), reference.size()), reference.size()};
    return {static_cast<uint64_t>(whole.compute(candidate)), reference.size()};
  }
  shift_search search(reference, candidate.size());
  words now(candidate.begin(), candidate.end());
  uint64_t shifts = 0;
  while (true) {
    const auto best = search.best_of(now);
    if (search.spent() || !best || best->gain <= 0)
      break;
    ++shifts;
    now = moved(now, static_cast<size_t>(best->start), static_cast<size_t>(best->length),
                static_cast<size_t>(best->target));
  }
  return {shifts + static_cast<uint64_t>(search.distance(now)), reference.size()};
}

} // namespace assay::scoring
