"""Plain Python for what the scorers compute, written from the metrics' definitions: the oracle of oracle_test.py and
the peer of benchmarks/run scoring. Nothing here but the standard library."""

import math
import re
import string
from collections import Counter

ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
PUNCTUATION = str.maketrans("", "", string.punctuation)
NO_DIGITS = str.maketrans("", "", string.digits)


def exact_match(answer, target, ignore_case=False, ignore_punctuation=False, ignore_numbers=False, regexes_to_ignore=()):
    """lm-evaluation-harness's exact_match for one sample: the regexes first, then case, punctuation, digits."""
    for pattern in regexes_to_ignore:
        answer, target = re.sub(pattern, "", answer), re.sub(pattern, "", target)
    if ignore_case:
        answer, target = answer.lower(), target.lower()
    if ignore_punctuation:
        answer, target = answer.translate(PUNCTUATION), target.translate(PUNCTUATION)
    if ignore_numbers:
        answer, target = answer.translate(NO_DIGITS), target.translate(NO_DIGITS)
    return 1.0 if answer == target else 0.0


def squad_words(text):
    """SQuAD's normalisation (Rajpurkar et al. 2016, evaluate-v1.1)."""
    return ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split()


def token_f1(answer, target):
    """SQuAD's F1 of words; two empty texts agree, as in evaluate-v2.0."""
    mine, wanted = squad_words(answer), squad_words(target)
    if not mine or not wanted:
        return float(mine == wanted)
    same = sum((Counter(mine) & Counter(wanted)).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(mine), same / len(wanted)
    return 2 * precision * recall / (precision + recall)


TOKENS_13A = [(re.compile(r"([{-~[-` -&(-+:-@/])"), r" \1 "), (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
              (re.compile(r"([.,])([^0-9])"), r" \1 \2"), (re.compile(r"([0-9])(-)"), r"\1 \2 ")]


def words_13a(line):
    """The tokenisation of mteval-v13a.pl."""
    line = line.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for code, mark in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
        line = line.replace(code, mark)
    line = f" {line} "
    for pattern, replacement in TOKENS_13A:
        line = pattern.sub(replacement, line)
    return line.split()


def ngrams(items, length):
    return Counter(tuple(items[i:i + length]) for i in range(len(items) - length + 1))


def bleu_counts(answer, targets, orders=4):
    mine, wanted = words_13a(answer), [words_13a(target) for target in targets]
    closest = min(((abs(len(one) - len(mine)), len(one)) for one in wanted))[1]
    correct, total = [], []
    for length in range(1, orders + 1):
        here, most = ngrams(mine, length), Counter()
        for one in wanted:
            most |= ngrams(one, length)
        correct.append(sum((here & most).values()))
        total.append(max(0, len(mine) - length + 1))
    return [len(mine), closest, *correct, *total]


def bleu_of(counts, sentence, orders=4):
    """Papineni et al. 2002, with the smoothing of NIST's script: the i-th length without a match counts 1/2^i."""
    mine, wanted, correct, total = counts[0], counts[1], counts[2:2 + orders], counts[2 + orders:]
    if not any(correct):
        return 0.0
    brevity = 1.0 if mine >= wanted else math.exp(1 - wanted / mine)
    logs, halves, used = 0.0, 1.0, orders
    for i in range(orders):
        if total[i] == 0:
            if not sentence:
                return 0.0
            break
        used = i + 1 if sentence else orders
        if correct[i] == 0:
            halves *= 2
        logs += math.log((correct[i] or 1 / halves) / total[i])
    return brevity * math.exp(logs / used)


def sentence_bleu(answer, targets):
    return bleu_of(bleu_counts(answer, targets), True)


def corpus(counts):
    return [sum(place) for place in zip(*counts)]


def words_without_punctuation(text):
    out = []
    for word in text.split():
        if len(word) > 1 and word[-1] in string.punctuation:
            out += [word[:-1], word[-1]]
        elif len(word) > 1 and word[0] in string.punctuation:
            out += [word[0], word[1:]]
        else:
            out.append(word)
    return out


def chrf_counts(answer, target, char_order=6, word_order=0):
    out = []
    for mine, wanted, orders in (("".join(answer.split()), "".join(target.split()), char_order),
                                 (words_without_punctuation(answer), words_without_punctuation(target), word_order)):
        for length in range(1, orders + 1):
            here, there = ngrams(mine, length), ngrams(wanted, length)
            out += [sum(here.values()), sum(there.values()), sum((here & there).values())]
    return out


def chrf_of(counts, beta=2.0):
    """Popović 2015 and 2017 (word_order 2): precision and recall averaged over the lengths that both texts have."""
    shares = [(common / mine, common / wanted)
              for mine, wanted, common in zip(counts[::3], counts[1::3], counts[2::3]) if mine and wanted]
    if not shares:
        return 0.0
    precision = sum(one[0] for one in shares) / len(shares)
    recall = sum(one[1] for one in shares) / len(shares)
    below = beta * beta * precision + recall
    return (1 + beta * beta) * precision * recall / below if below else 0.0


def rouge(answer, target, kind, beta=1.0):
    """Lin 2004, with the tokens of rouge_score and no stemming."""
    mine, wanted = (re.findall(r"[a-z0-9]+", text.lower()) for text in (answer, target))
    if kind == "rougeL":
        row = [0] * (len(wanted) + 1)
        for word in mine:
            before = 0
            for j, other in enumerate(wanted):
                before, row[j + 1] = row[j + 1], before + 1 if word == other else max(row[j + 1], row[j])
        common, have, want = row[-1], len(mine), len(wanted)
    else:
        here, there = ngrams(mine, int(kind[-1])), ngrams(wanted, int(kind[-1]))
        common, have, want = sum((here & there).values()), sum(here.values()), sum(there.values())
    if common == 0:
        return 0.0
    precision, recall = common / have, common / want
    return (1 + beta * beta) * precision * recall / (beta * beta * precision + recall)


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (one != other))
    return row[-1]


def _banded(hypothesis, reference):
    """Distance and steps within Tercom's band. Steps: ' ' keep, 's' replace, 'i' a word of the reference, 'd' of the
    hypothesis."""
    rows, columns = len(hypothesis), len(reference)
    ratio = columns / rows if rows else 1
    width = math.ceil(ratio / 2 + 25) if 25 < ratio / 2 else 25
    far = 10**16
    table = [[(j, "i") for j in range(columns + 1)]] + [[(far, "x")] * (columns + 1) for _ in range(rows)]
    for i in range(1, rows + 1):
        middle = math.floor(i * ratio)
        last = columns + 1 if i == rows else min(columns + 1, middle + width)
        for j in range(max(0, middle - width), last):
            offers = []
            if j:
                same = hypothesis[i - 1] == reference[j - 1]
                offers.append((table[i - 1][j - 1][0] + (not same), " " if same else "s"))
            offers.append((table[i - 1][j][0] + 1, "d"))
            if j:
                offers.append((table[i][j - 1][0] + 1, "i"))
            for price, step in offers:
                if price < table[i][j][0]:
                    table[i][j] = (price, step)
    steps, i, j = [], rows, columns
    while i or j:
        step = table[i][j][1]
        steps.append(step)
        i -= step != "i"
        j -= step != "d"
    return table[rows][columns][0], steps[::-1]


def ter_edits(answer, target):
    """Snover et al. 2006 with the limits of Tercom and sacrebleu: (edits, words of the reference)."""
    now, reference = answer.lower().split(), target.lower().split()
    if not reference:
        return len(now), 0
    if not now:
        return len(reference), len(reference)
    shifts = tried = 0
    while True:
        distance, steps = _banded(now, reference)
        place, wrong_reference, wrong_now, at = [], [], [], -1
        for step in steps:
            if step != "i":
                at += 1
                wrong_now.append(step != " ")
            if step != "d":
                place.append(at)
                wrong_reference.append(step != " ")
        best = None
        for start in range(len(now)):
            for to in range(len(reference)):
                if abs(to - start) > 50 or tried >= 1000:
                    continue
                for length in range(1, 11):
                    if start + length > len(now) or to + length > len(reference) \
                            or now[start + length - 1] != reference[to + length - 1] or tried >= 1000:
                        break
                    if not any(wrong_now[start:start + length]) or not any(wrong_reference[to:to + length]) \
                            or start <= place[to] < start + length:
                        continue
                    before = -1
                    for offset in range(-1, length):
                        index = 0 if to + offset == -1 else place[to + offset] + 1
                        if index == before:
                            continue
                        before = index
                        group, rest = now[start:start + length], now[:start] + now[start + length:]
                        # The index counts the words before the shift.
                        cut = index if index < start else index - length if index > start + length else index
                        moved = rest[:cut] + group + rest[cut:]
                        tried += 1
                        gain = (distance - _banded(moved, reference)[0], length, -start, -index)
                        if best is None or gain > best[0]:
                            best = (gain, moved)
        if tried >= 1000 or best is None or best[0][0] <= 0:
            return shifts + _banded(now, reference)[0], len(reference)
        shifts += 1
        now = best[1]


def regex_filter(answer, pattern, group_select=0, fallback="[invalid]"):
    """lm-evaluation-harness's regex filter for one answer; pattern is compiled."""
    found = pattern.findall(answer)
    if not found:
        return fallback
    match = found[group_select]
    if isinstance(match, tuple):
        match = next((one for one in match if one), fallback)
    return match.strip()


def macro_f1(predicted, wanted, average):
    classes = sorted(set(predicted) | set(wanted))
    scores = {}
    for one in classes:
        hits = sum(p == w == one for p, w in zip(predicted, wanted))
        sizes = predicted.count(one) + wanted.count(one)
        scores[one] = 2 * hits / sizes if sizes else 0.0
    if average == "macro":
        return sum(scores.values()) / len(scores)
    if average == "weighted":
        return sum(scores[one] * wanted.count(one) for one in classes) / len(wanted)
    if average == "micro":
        return sum(p == w for p, w in zip(predicted, wanted)) / len(wanted)
    return scores.get(average, 0.0)


def mcc(predicted, wanted):
    """Gorodkin 2004."""
    total, hits = len(wanted), sum(p == w for p, w in zip(predicted, wanted))
    p, w = Counter(predicted), Counter(wanted)
    both = sum(p[one] * w[one] for one in set(p) | set(w))
    below = (total**2 - sum(x * x for x in p.values())) * (total**2 - sum(x * x for x in w.values()))
    return (hits * total - both) / math.sqrt(below) if below > 0 else 0.0


def pass_at_k(n, c, k):
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def pass_hat_k(n, c, k):
    return math.comb(c, k) / math.comb(n, k)


def cohens_kappa(a, b, weights="nominal"):
    def weight(x, y):
        return float(x != y) if weights == "nominal" else abs(x - y) ** (1 if weights == "linear" else 2)
    observed = sum(weight(x, y) for x, y in zip(a, b)) / len(a)
    expected = sum(weight(x, y) for x in a for y in b) / len(a) ** 2
    return 1 - observed / expected


def fleiss_kappa(counts):
    raters, items = sum(counts[0]), len(counts)
    agreement = sum((sum(c * c for c in row) - raters) / (raters * (raters - 1)) for row in counts) / items
    chance = sum((sum(column) / (items * raters)) ** 2 for column in zip(*counts))
    return (agreement - chance) / (1 - chance)
