what = Nodyn atgoffa
cancel_soon = Rhowch wybod i ni cyn gynted â phosibl, er mwyn i rywun arall gael eich lle.
lead = Mae eich cwrs yn dechrau{{#course.first_on_day}} {{course.first_on_day}}{{/course.first_on_day}}{{^course.first_on_day}} cyn bo hir{{/course.first_on_day}}. Edrychwn ymlaen at eich gweld.
