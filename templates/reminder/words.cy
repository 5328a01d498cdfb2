what = Nodyn atgoffa
lead = Mae eich cwrs yn dechrau{{#course.first_on_day}} {{course.first_on_day}}{{/course.first_on_day}}{{^course.first_on_day}} cyn bo hir{{/course.first_on_day}}. Edrychwn ymlaen at eich gweld.
