mod engine; // the decision, driven by text tables, by a crash at every point and by chance
