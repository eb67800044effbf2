"""What the tasks beside this file call."""


def code_results(doc, results):
    return {"holds_line": float(doc["want"] in results[0])}


def instruction_results(doc, results):
    text = results[0]
    return {"strict": float(doc["need"] in text and len(text.split()) <= doc["most_words"]),
            "loose": float(doc["need"] in text.lower())}


def keep(dataset):
    return dataset.filter(lambda row: row["keep"]).map(lambda row: {"passage": row["passage"].upper()})


def passage_results(doc, results):
    best = 0.0
    for answer in doc["answers"]:
        want, got = answer.split(), results[0].split()
        shared = len(set(want) & set(got))
        if shared:
            precision, recall = shared / len(got), shared / len(want)
            best = max(best, 2 * precision * recall / (precision + recall))
    return {"em": float(results[0] in doc["answers"]), "f1": best}
